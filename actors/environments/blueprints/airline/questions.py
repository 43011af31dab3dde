"""What a customer wants to be told, each answered by a text that hardly comes up by accident."""

from __future__ import annotations

import random

from actors.environments.blueprints.airline.flights import FIRST_DAY, LAST_DAY, best_offer, day
from actors.environments.blueprints.airline.traveller import Traveller, cabin_words, place, referred
from actors.environments.blueprints.goals import Goal, call
from actors.environments.blueprints.wording import pick


def total_paid(traveller: Traveller, rng: random.Random) -> Goal | None:
    reservation = traveller.some_reservation(rng, lambda found: True)
    if reservation is None:
        return None
    reference = referred(traveller, reservation, rng)
    return Goal(
        kind="ask total paid",
        subjects=frozenset({reservation["reservation_id"]}),
        request=pick(
            rng,
            f"You want to know how much you paid for {reference.words} in total.",
            f"Ask for the total amount that was paid for {reference.words}.",
            f"For your bookkeeping, you need the total that {reference.words} cost.",
        ),
        facts=(*reference.facts, "total"),
        reads=reference.reads,
        info=(str(sum(payment["amount"] for payment in reservation["payment_history"])),),
        unknown=reference.unknown,
    )


def flight_numbers(traveller: Traveller, rng: random.Random) -> Goal | None:
    reservation = traveller.some_reservation(rng, lambda found: True)
    if reservation is None:
        return None
    reference = referred(traveller, reservation, rng)
    numbers = dict.fromkeys(flight["flight_number"] for flight in reservation["flights"])
    return Goal(
        kind="ask flight numbers",
        subjects=frozenset({reservation["reservation_id"]}),
        request=pick(
            rng,
            f"You want to know the flight numbers of {reference.words}, all of them.",
            f"Ask for every flight number of {reference.words}.",
        ),
        facts=reference.facts,
        reads=reference.reads,
        info=tuple(numbers),
        unknown=reference.unknown,
    )


def lowest_fare(traveller: Traveller, rng: random.Random) -> Goal | None:
    flight = rng.choice(list(traveller.airline.flights.values()))
    date, cabin = day(rng.randint(FIRST_DAY, LAST_DAY)), rng.choice(("basic_economy", "economy", "business"))
    ends = {"origin": flight["origin"], "destination": flight["destination"]}
    offer = best_offer(traveller.airline, **ends, date=date, cabin=cabin, seats=1, rng=rng)
    if offer is None:
        return None
    origin, destination, words = place(ends["origin"]), place(ends["destination"]), cabin_words(cabin)
    return Goal(
        kind="ask fare",
        subjects=frozenset({f"{ends['origin']}-{ends['destination']} {date} {cabin} {offer.words}"}),
        request=pick(
            rng,
            f"You want to know what the {offer.words} direct flight from {origin} to {destination} on {date} costs one person "
            f"in {words}. You do not want to book it.",
            f"Without booking anything, ask for the price of one {words} seat on the {offer.words} direct flight from {origin} to "
            f"{destination} on {date}.",
        ),
        facts=(origin, destination, date, words, offer.words, "direct"),
        reads=(call("search_direct_flight", **ends, date=date),),
        info=(str(offer.price),),
    )
