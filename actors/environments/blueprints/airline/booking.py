"""Booking a trip: flights described so that one each fits, passengers by name, bags counted, paid to the dollar."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from actors.environments.blueprints.airline.details import full_name
from actors.environments.blueprints.airline.flights import FIRST_DAY, LAST_DAY, Offer, best_offer, day
from actors.environments.blueprints.airline.rules import BAG_DOLLARS, INSURANCE_DOLLARS, free_bags
from actors.environments.blueprints.airline.traveller import Traveller, cabin_words, place
from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.wording import listed, pick
from rollouts.episode import JsonValue, ToolCall

ROUND_TRIPS = 0.4
MOST_COMPANIONS = 2
MOST_EXTRA_BAGS = 2
# beyond the free ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    origin: str
    destination: str
    cabin: str
    ways: tuple[Offer, ...]
    # one, or two for a round trip


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    parts: tuple[tuple[str, int], ...]
    # payment id and dollars, in the order in which they are used
    words: str


def book(traveller: Traveller, rng: random.Random) -> Goal | None:
    passengers = _party(traveller, rng)
    trip = _drawn_trip(traveller, len(passengers), rng)
    if trip is None:
        return None
    free = free_bags(traveller.user, cabin=trip.cabin, num_passengers=len(passengers))
    bags, insured = rng.randint(0, free + MOST_EXTRA_BAGS), rng.random() < 0.3
    to_pay = max(0, bags - free)
    fares = sum(way.price for way in trip.ways) + (INSURANCE_DOLLARS if insured else 0)
    payment = _drawn_payment(traveller, fares * len(passengers) + BAG_DOLLARS * to_pay, rng)
    if payment is None:
        return None
    return Goal(
        kind="book",
        subjects=frozenset({traveller.user_id}) | traveller.balances(*(key for key, _ in payment.parts)),
        request=" ".join((_trip_told(trip, rng), _rest_told(passengers, bags, insured, payment, rng))),
        facts=(
            *(place(airport) for airport in (trip.origin, trip.destination)),
            *(fact for way in trip.ways for fact in (way.words, way.date)),
            cabin_words(trip.cabin),
            *(full_name(passenger) for passenger in passengers[1:]),
            payment.words,
        ),
        reads=tuple(
            call("search_direct_flight", origin=origin, destination=destination, date=way.date)
            for way, (origin, destination) in zip(trip.ways, _ends(trip), strict=False)
        ),
        writes=(_booked(traveller, trip, passengers, bags=bags, to_pay=to_pay, insured=insured, payment=payment),),
        known=(f"You were born on {traveller.user['dob']}.",),
    )


def _booked(
    traveller: Traveller,
    trip: Trip,
    passengers: list[dict[str, JsonValue]],
    *,
    bags: int,
    to_pay: int,
    insured: bool,
    payment: Payment,
) -> ToolCall:
    return call(
        "book_reservation",
        user_id=traveller.user_id,
        origin=trip.origin,
        destination=trip.destination,
        flight_type="round_trip" if len(trip.ways) > 1 else "one_way",
        cabin=trip.cabin,
        flights=[{"flight_number": way.flight_number, "date": way.date} for way in trip.ways],
        passengers=list(passengers),
        payment_methods=[{"payment_id": key, "amount": dollars} for key, dollars in payment.parts],
        total_baggages=bags,
        nonfree_baggages=to_pay,
        insurance="yes" if insured else "no",
    )


# -- drawing ----------------------------------------------------------------------------------------------------------


def _party(traveller: Traveller, rng: random.Random) -> list[dict[str, JsonValue]]:
    """The traveller, then some of the passengers saved in the profile."""
    saved = traveller.user["saved_passengers"]
    companions = rng.sample(saved, rng.randint(0, min(MOST_COMPANIONS, len(saved))))
    oneself = {**traveller.user["name"], "dob": traveller.user["dob"]}
    return [oneself, *(dict(companion) for companion in companions)]


def _drawn_trip(traveller: Traveller, seats: int, rng: random.Random) -> Trip | None:
    flight = rng.choice(list(traveller.airline.flights.values()))
    cabin = rng.choice(("basic_economy", "economy", "business"))
    days = sorted(rng.sample(range(FIRST_DAY, LAST_DAY + 1), 2 if rng.random() < ROUND_TRIPS else 1))
    ends = [(flight["origin"], flight["destination"]), (flight["destination"], flight["origin"])]
    offers = [
        best_offer(
            traveller.airline,
            origin=origin,
            destination=destination,
            date=day(number),
            cabin=cabin,
            seats=seats,
            rng=rng,
        )
        for number, (origin, destination) in zip(days, ends, strict=False)
    ]
    found = tuple(offer for offer in offers if offer)
    if len(found) < len(offers):
        return None
    return Trip(origin=flight["origin"], destination=flight["destination"], cabin=cabin, ways=found)


def _drawn_payment(traveller: Traveller, total: int, rng: random.Random) -> Payment | None:
    """One card that covers it all; or a certificate to its end, and a credit card for what is left."""
    methods = traveller.user["payment_methods"]
    cards = [key for key, method in methods.items() if method["source"] == "credit_card"]
    certificates = [
        key for key, method in methods.items() if method["source"] == "certificate" and method["amount"] < total
    ]
    if cards and certificates and rng.random() < 0.5:
        first, second = rng.choice(certificates), rng.choice(cards)
        used = int(methods[first]["amount"])
        words = f"{traveller.payment_words(first)} first, and {traveller.payment_words(second)} for the rest"
        return Payment(parts=((first, used), (second, total - used)), words=words)
    single = traveller.some_payment(rng, total)
    return Payment(parts=((single, total),), words=traveller.payment_words(single)) if single else None


# -- words ------------------------------------------------------------------------------------------------------------


def _ends(trip: Trip) -> list[tuple[str, str]]:
    return [(trip.origin, trip.destination), (trip.destination, trip.origin)]


def _trip_told(trip: Trip, rng: random.Random) -> str:
    origin, destination = place(trip.origin), place(trip.destination)
    out = f"the {trip.ways[0].words} direct flight on {trip.ways[0].date}"
    cabin = cabin_words(trip.cabin)
    if len(trip.ways) == 1:
        return pick(
            rng,
            f"You want to book a one-way trip from {origin} to {destination} in {cabin}, on {out}.",
            f"Book {out} for you, one way from {origin} to {destination}, in {cabin}.",
        )
    back = f"the {trip.ways[1].words} direct flight on {trip.ways[1].date}"
    return pick(
        rng,
        f"You want to book a round trip from {origin} to {destination} in {cabin}: out on {out}, back on {back}.",
        f"You need a round trip in {cabin} between {origin} and {destination}. You start in {origin} with {out}, and you "
        f"return with {back}.",
    )


def _rest_told(passengers: Sequence[Record], bags: int, insured: bool, payment: Payment, rng: random.Random) -> str:
    others = [f"{full_name(passenger)} (born on {passenger['dob']})" for passenger in passengers[1:]]
    party = f"You travel with {listed(others)}." if others else "You travel alone."
    luggage = f"There {'is' if bags == 1 else 'are'} {bags} checked bag{'' if bags == 1 else 's'} in all."
    insurance = "You want the travel insurance." if insured else "You do not want travel insurance."
    middle = [luggage if bags else "There are no checked bags.", insurance]
    rng.shuffle(middle)
    return " ".join((party, *middle, f"You pay with {payment.words}."))
