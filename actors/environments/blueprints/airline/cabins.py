"""Another cabin for a whole reservation, its flights kept."""

from __future__ import annotations

import random

from actors.environments.blueprints.airline.flights import ASKS_FOR_AMOUNT
from actors.environments.blueprints.airline.traveller import Traveller, cabin_words, referred
from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.wording import amount, pick
from rollouts.episode import ToolCall


def change_cabin(traveller: Traveller, rng: random.Random) -> Goal | None:
    """For all passengers on all flights, at today's prices; basic economy may be left, too."""
    reservation = traveller.some_reservation(rng, traveller.airline.is_ahead)
    if reservation is None:
        return None
    cabin = rng.choice([cabin for cabin in ("economy", "business") if cabin != reservation["cabin"]])
    difference = _difference(traveller, reservation, cabin)
    if difference is None:
        return None
    payment_id = traveller.some_payment(rng, difference)
    if payment_id is None:
        return None
    reference, where = referred(traveller, reservation, rng), traveller.payment_words(payment_id)
    words = cabin_words(cabin)
    request = pick(
        rng,
        f"You want {reference.words} changed to {words} for everyone on it, on the same flights. Use {where} for the difference.",
        f"For {reference.words}, you want {words} class instead, with the flights kept. The difference goes through {where}.",
        f"Please have all passengers of {reference.words} moved to {words}, on the flights that they have. "
        f"Pay or refund the difference with {where}.",
    )
    asks = rng.random() < ASKS_FOR_AMOUNT and abs(difference) >= 10
    return Goal(
        kind="change cabin",
        subjects=frozenset({reservation["reservation_id"]}) | traveller.balances(payment_id),
        request=f"{request} You also want to know how much the difference is in total." if asks else request,
        facts=(*reference.facts, words, where),
        reads=(*reference.reads, *_searched(reservation)),
        writes=(
            call(
                "update_reservation_flights",
                reservation_id=reservation["reservation_id"],
                cabin=cabin,
                flights=[
                    {"flight_number": flight["flight_number"], "date": flight["date"]}
                    for flight in reservation["flights"]
                ],
                payment_id=payment_id,
            ),
        ),
        info=(amount(abs(difference)),) if asks else (),
        unknown=reference.unknown,
        conduct=("Whatever the difference is, you agree to it.",),
    )


def _difference(traveller: Traveller, reservation: Record, cabin: str) -> int | None:
    """Dollars between today's prices and those paid; None where a flight has too few seats in the cabin."""
    num_passengers, total = len(reservation["passengers"]), 0
    for flight in reservation["flights"]:
        on_day = traveller.airline.flights[flight["flight_number"]]["dates"][flight["date"]]
        if on_day["available_seats"][cabin] < num_passengers:
            return None
        total += (on_day["prices"][cabin] - flight["price"]) * num_passengers
    return total


def _searched(reservation: Record) -> tuple[ToolCall, ...]:
    """Where today's prices are read."""
    return tuple(
        call("search_direct_flight", origin=flight["origin"], destination=flight["destination"], date=flight["date"])
        for flight in reservation["flights"]
    )
