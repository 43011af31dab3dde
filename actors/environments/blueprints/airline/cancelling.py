"""Cancelling a reservation: where the policy allows it, where it does not, and where only a human can."""

from __future__ import annotations

import random

from actors.environments.blueprints.airline.rules import is_flown, is_insured, may_cancel_for_any_reason
from actors.environments.blueprints.airline.traveller import Traveller, referred
from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.wording import pick
from rollouts.episode import ToolCall

PLANS = ("your plans have changed", "you no longer want to travel", "something else came up at work")
COVERED = ("you have fallen ill and cannot fly", "the weather forecast there is terrible, with a storm coming")
CANCELLED = ("the airline has cancelled a flight of it",)
NO_ALTERNATIVE = (
    "If the agent says that a reservation cannot be cancelled, accept it and keep that one as it is, without upgrading or "
    "changing it."
)


def cancel(traveller: Traveller, rng: random.Random) -> Goal | None:
    reservation = traveller.some_reservation(rng, lambda found: not is_flown(traveller.airline, found))
    if reservation is None:
        return None
    reasons = _accepted_reasons(traveller, reservation)
    if not reasons:
        return None
    reference, reason = referred(traveller, reservation, rng), rng.choice(reasons)
    key = reservation["reservation_id"]
    return Goal(
        kind="cancel",
        subjects=frozenset({key}),
        request=pick(
            rng,
            f"You want to cancel {reference.words} because {reason}.",
            f"Please have {reference.words} cancelled: {reason}.",
            f"You cannot use {reference.words} any more, as {reason}, and want it cancelled and refunded.",
        ),
        facts=(*reference.facts, reason),
        reads=(*reference.reads, *checked_cancelled(traveller, reservation)),
        writes=(call("cancel_reservation", reservation_id=key),),
        unknown=reference.unknown,
    )


def _accepted_reasons(traveller: Traveller, reservation: Record) -> tuple[str, ...]:
    statuses = traveller.airline.statuses(reservation)
    by_airline = CANCELLED if "cancelled" in statuses else ()
    own_choice = PLANS if may_cancel_for_any_reason(reservation) else ()
    insured = COVERED if is_insured(reservation) else ()
    return by_airline or (*own_choice, *insured)


def checked_cancelled(traveller: Traveller, reservation: Record) -> tuple[ToolCall, ...]:
    """The look at each flight of it that the airline has cancelled."""
    return tuple(
        call("get_flight_status", flight_number=flight["flight_number"], date=flight["date"])
        for flight in reservation["flights"]
        if traveller.airline.status(flight) == "cancelled"
    )


def cancel_refused(traveller: Traveller, rng: random.Random) -> Goal | None:
    """Too late, no business class, and no insurance that covers the reason."""
    reservation = traveller.some_reservation(
        rng, lambda found: traveller.airline.is_ahead(found) and not may_cancel_for_any_reason(found)
    )
    if reservation is None:
        return None
    reference = referred(traveller, reservation, rng)
    reason = rng.choice(PLANS if is_insured(reservation) else (*PLANS, *COVERED))
    return Goal(
        kind="cancel refused",
        subjects=frozenset({reservation["reservation_id"]}),
        request=pick(
            rng,
            f"You want to cancel {reference.words} and get your money back because {reason}.",
            f"Ask for {reference.words} to be cancelled with a refund: {reason}.",
        ),
        facts=(*reference.facts, reason),
        reads=reference.reads,
        unknown=reference.unknown,
        conduct=(NO_ALTERNATIVE,),
        refused=f"The agent does not cancel reservation {reservation['reservation_id']}.",
    )


def cancel_flown(traveller: Traveller, rng: random.Random) -> Goal | None:
    """Partly flown: the policy wants a human."""
    reservation = traveller.some_reservation(rng, lambda found: is_flown(traveller.airline, found))
    if reservation is None:
        return None
    reference, reason = referred(traveller, reservation, rng), rng.choice(PLANS)
    return Goal(
        kind="cancel handed over",
        subjects=frozenset({reservation["reservation_id"]}),
        request=pick(
            rng,
            f"You want to cancel {reference.words} because {reason}.",
            f"Ask for {reference.words} to be cancelled, as {reason}.",
        ),
        facts=(*reference.facts, reason),
        reads=reference.reads,
        unknown=reference.unknown,
        conduct=("If the agent offers to transfer you to a human agent, agree.",),
        handover="The user wants to cancel a reservation of which a part has already been flown.",
    )
