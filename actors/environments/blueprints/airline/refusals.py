"""What the policy does not allow: the right outcome is a polite no, and a database that stays as it is."""

from __future__ import annotations

import random

from actors.environments.blueprints.airline.details import full_name
from actors.environments.blueprints.airline.flights import FIRST_DAY, LAST_DAY, day
from actors.environments.blueprints.airline.rules import is_insured
from actors.environments.blueprints.airline.traveller import (
    CITIES,
    ReservationReference,
    Traveller,
    place,
    referred,
)
from actors.environments.blueprints.goals import Goal, Record
from actors.environments.blueprints.wording import pick

ACCEPT = (
    "If the agent says that something cannot be done, accept it and ask for nothing in its place: no other change, upgrade or "
    "cancellation."
)


def _refused(
    kind: str, reservation: Record, reference: ReservationReference, *, request: str, facts: tuple[str, ...]
) -> Goal:
    return Goal(
        kind=f"{kind} refused",
        subjects=frozenset({reservation["reservation_id"]}),
        request=request,
        facts=(*reference.facts, *facts),
        reads=reference.reads,
        unknown=reference.unknown,
        conduct=(ACCEPT,),
        refused=f"The agent does not change reservation {reservation['reservation_id']}.",
    )


def change_basic_economy(traveller: Traveller, rng: random.Random) -> Goal | None:
    ahead = traveller.airline.is_ahead
    reservation = traveller.some_reservation(rng, lambda found: ahead(found) and found["cabin"] == "basic_economy")
    if reservation is None:
        return None
    others = sorted({day(number) for number in range(FIRST_DAY, LAST_DAY + 1)} - {reservation["flights"][0]["date"]})
    reference, date = referred(traveller, reservation, rng), rng.choice(others)
    request = pick(
        rng,
        f"You want the first flight of {reference.words} moved to {date}, staying in basic economy.",
        f"Ask for {reference.words} to start on {date} instead. You do not want another cabin.",
    )
    return _refused("basic economy", reservation, reference, request=request, facts=(date,))


def change_destination(traveller: Traveller, rng: random.Random) -> Goal | None:
    reservation = traveller.some_reservation(rng, traveller.airline.is_ahead)
    if reservation is None:
        return None
    others = sorted(CITIES.keys() - {reservation["origin"], reservation["destination"]})
    reference, other = referred(traveller, reservation, rng), place(rng.choice(others))
    request = pick(
        rng,
        f"You want {reference.words} to go to {other} instead, on the same days.",
        f"Ask for the destination of {reference.words} to be changed to {other}.",
    )
    return _refused("destination", reservation, reference, request=request, facts=(other,))


def add_insurance(traveller: Traveller, rng: random.Random) -> Goal | None:
    ahead = traveller.airline.is_ahead
    reservation = traveller.some_reservation(rng, lambda found: ahead(found) and not is_insured(found))
    if reservation is None:
        return None
    reference = referred(traveller, reservation, rng)
    request = pick(
        rng,
        f"You want to add travel insurance to {reference.words}, which you booked without it.",
        f"You forgot the insurance when you booked {reference.words} and want to buy it now.",
    )
    return _refused("insurance", reservation, reference, request=request, facts=("insurance",))


def remove_bags(traveller: Traveller, rng: random.Random) -> Goal | None:
    ahead = traveller.airline.is_ahead
    reservation = traveller.some_reservation(rng, lambda found: ahead(found) and found["total_baggages"] > 0)
    if reservation is None:
        return None
    reference = referred(traveller, reservation, rng)
    request = pick(
        rng,
        f"You want one checked bag taken off {reference.words}.",
        f"You travel lighter than planned and want one checked bag removed from {reference.words}.",
    )
    return _refused("remove bag", reservation, reference, request=request, facts=("one checked bag",))


def drop_passenger(traveller: Traveller, rng: random.Random) -> Goal | None:
    ahead = traveller.airline.is_ahead
    reservation = traveller.some_reservation(rng, lambda found: ahead(found) and len(found["passengers"]) > 1)
    if reservation is None:
        return None
    reference, who = referred(traveller, reservation, rng), full_name(rng.choice(reservation["passengers"]))
    request = pick(
        rng,
        f"{who} does not want to travel any more. You want that passenger removed from {reference.words}; the others still fly.",
        f"You want {who} taken off {reference.words}, and the reservation kept for everyone else.",
    )
    return _refused("drop passenger", reservation, reference, request=request, facts=(who,))
