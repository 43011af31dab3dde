"""A certificate for a flight that the airline cancelled: for those who may have one, and not for the others."""

from __future__ import annotations

import random

from actors.environments.blueprints.airline.cancelling import checked_cancelled
from actors.environments.blueprints.airline.rules import may_be_compensated
from actors.environments.blueprints.airline.traveller import Traveller, referred
from actors.environments.blueprints.goals import Goal, call
from actors.environments.blueprints.wording import pick

DOLLARS = 100
# per passenger


def compensate(traveller: Traveller, rng: random.Random) -> Goal | None:
    return _complaint(traveller, rng, entitled=True)


def compensate_refused(traveller: Traveller, rng: random.Random) -> Goal | None:
    return _complaint(traveller, rng, entitled=False)


def _complaint(traveller: Traveller, rng: random.Random, *, entitled: bool) -> Goal | None:
    reservation = traveller.some_reservation(
        rng,
        lambda found: (
            "cancelled" in traveller.airline.statuses(found) and may_be_compensated(traveller.user, found) == entitled
        ),
    )
    if reservation is None:
        return None
    reference = referred(traveller, reservation, rng)
    key, looks = reservation["reservation_id"], checked_cancelled(traveller, reservation)
    flight = rng.choice(looks).arguments
    number, date = str(flight["flight_number"]), str(flight["date"])
    sent = call("send_certificate", user_id=traveller.user_id, amount=DOLLARS * len(reservation["passengers"]))
    return Goal(
        kind="compensation" if entitled else "compensation refused",
        subjects=frozenset({key, traveller.user_id}),
        request=pick(
            rng,
            f"Flight {number} on {date}, which is part of {reference.words}, was cancelled. You complain and ask for compensation.",
            f"You are annoyed: the airline cancelled {number} on {date}, of {reference.words}. You want to be compensated for it.",
        ),
        facts=(*reference.facts, number, date, "cancelled"),
        reads=(*reference.reads, *looks),
        writes=(sent,) if entitled else (),
        unknown=reference.unknown,
        conduct=(
            "You do not want the reservation to be changed or cancelled. You take the compensation that the agent offers.",
        )
        if entitled
        else ("If the agent says that you cannot be compensated, accept it. The reservation is to stay as it is.",),
        refused="" if entitled else f"The agent sends no certificate for reservation {key}.",
    )
