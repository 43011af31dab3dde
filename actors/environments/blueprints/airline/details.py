"""What can be changed about a reservation without touching its flights: more bags, and who the passengers are."""

from __future__ import annotations

import random
from typing import Any

from actors.environments.blueprints.airline.rules import BAG_DOLLARS, free_bags
from actors.environments.blueprints.airline.traveller import Traveller, referred
from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.wording import pick

MOST_ADDED = 3


def add_bags(traveller: Traveller, rng: random.Random) -> Goal | None:
    """Only where the bags so far are charged as the policy says: elsewhere the new number of paid ones would be a guess."""
    reservation = traveller.some_reservation(rng, traveller.airline.is_ahead)
    if reservation is None:
        return None
    free = free_bags(traveller.user, cabin=reservation["cabin"], num_passengers=len(reservation["passengers"]))
    before, paid = reservation["total_baggages"], reservation["nonfree_baggages"]
    if paid != max(0, before - free):
        return None
    added = rng.randint(1, MOST_ADDED)
    to_pay = max(0, before + added - free)
    payment_id = traveller.some_payment(rng, BAG_DOLLARS * (to_pay - paid))
    if payment_id is None:
        return None
    reference, where = referred(traveller, reservation, rng), traveller.payment_words(payment_id)
    bags = f"{added} checked bag{'s' if added > 1 else ''}"
    return Goal(
        kind="add bags",
        subjects=frozenset({reservation["reservation_id"]}) | traveller.balances(payment_id),
        request=pick(
            rng,
            f"You want to add {bags} to {reference.words}. If it costs anything, use {where}.",
            f"You have more luggage than you thought and need {bags} more on {reference.words}, with {where} for any fee.",
            f"Please have {bags} added to {reference.words}. Any charge goes to {where}.",
        ),
        facts=(*reference.facts, bags, where),
        reads=reference.reads,
        writes=(
            call(
                "update_reservation_baggages",
                reservation_id=reservation["reservation_id"],
                total_baggages=before + added,
                nonfree_baggages=to_pay,
                payment_id=payment_id,
            ),
        ),
        unknown=reference.unknown,
    )


def change_passenger(traveller: Traveller, rng: random.Random) -> Goal | None:
    """One passenger gives way to another, or their last name is corrected; how many there are stays."""
    reservation = traveller.some_reservation(rng, traveller.airline.is_ahead)
    if reservation is None:
        return None
    passengers = [dict(passenger) for passenger in reservation["passengers"]]
    leaving = rng.choice(passengers)
    if sum(full_name(passenger) == full_name(leaving) for passenger in passengers) > 1:
        return None
    arriving = _someone_else(traveller, leaving, rng)
    if full_name(arriving) in map(full_name, passengers):
        return None
    reference = referred(traveller, reservation, rng)
    request = _corrected(leaving, arriving, reference.words, rng)
    return Goal(
        kind="change passenger",
        subjects=frozenset({reservation["reservation_id"]}),
        request=request,
        facts=(*reference.facts, full_name(leaving), full_name(arriving), arriving["dob"]),
        reads=reference.reads,
        writes=(
            call(
                "update_reservation_passengers",
                reservation_id=reservation["reservation_id"],
                passengers=[arriving if passenger is leaving else passenger for passenger in passengers],
            ),
        ),
        unknown=reference.unknown,
        conduct=(f"Everything else of {reference.words} is to stay as it is.",),
    )


def full_name(person: Record) -> str:
    return f"{person['first_name']} {person['last_name']}"


def _someone_else(traveller: Traveller, leaving: Record, rng: random.Random) -> dict[str, Any]:
    """Another customer's name and date of birth, or the leaving passenger under a right last name."""
    other = rng.choice(list(traveller.airline.users.values()))
    if rng.random() < 0.4:
        return {**leaving, "last_name": other["name"]["last_name"]}
    return {"first_name": other["name"]["first_name"], "last_name": other["name"]["last_name"], "dob": other["dob"]}


def _corrected(leaving: Record, arriving: Record, reservation: str, rng: random.Random) -> str:
    old, new = full_name(leaving), full_name(arriving)
    if arriving["dob"] == leaving["dob"]:
        return pick(
            rng,
            f"The name of {old} on {reservation} is misspelled. It should be {new}; the date of birth, {leaving['dob']}, is right.",
            f"On {reservation}, you want the passenger {old} renamed to {new}, born on {leaving['dob']} as recorded.",
        )
    return pick(
        rng,
        f"On {reservation}, {old} cannot travel. You want {new}, born on {arriving['dob']}, to fly in that place.",
        f"You want to replace the passenger {old} on {reservation} by {new}, whose date of birth is {arriving['dob']}.",
    )
