"""Moving one way of a trip to a direct flight that the customer describes and that is the only one so described."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from actors.environments.blueprints.airline.traveller import Airline, Traveller, cabin_words, place, referred
from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.wording import amount, pick
from rollouts.episode import JsonValue

FIRST_DAY, LAST_DAY = 16, 30
# of May 2024: what the database offers for booking
ASKS_FOR_AMOUNT = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A direct flight on a day."""

    flight_number: str
    date: str
    price: int
    words: str
    # "cheapest", "earliest" or "latest" of that day


def day(number: int) -> str:
    return f"2024-05-{number:02}"


def best_offer(
    airline: Airline, *, origin: str, destination: str, date: str, cabin: str, seats: int, rng: random.Random
) -> Offer | None:
    """The one direct flight that is cheapest, earliest or latest. None where two are, where it is full, or lands a day later."""
    direct = [
        flight
        for flight in airline.flights.values()
        if flight["origin"] == origin and flight["destination"] == destination and _open(flight, date)
    ]
    if not direct:
        return None
    word = rng.choice(("cheapest", "cheapest", "earliest", "latest"))
    ranked = sorted((_rank(flight, word, date, cabin), flight["flight_number"]) for flight in direct)
    if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
        return None
    best = airline.flights[ranked[0][1]]
    on_day = best["dates"][date]
    if on_day["available_seats"][cabin] < seats or "+1" in best["scheduled_arrival_time_est"]:
        return None
    return Offer(flight_number=best["flight_number"], date=date, price=on_day["prices"][cabin], words=word)


def _open(flight: Record, date: str) -> bool:
    return bool(date in flight["dates"] and flight["dates"][date]["status"] == "available")


def _rank(flight: Record, word: str, date: str, cabin: str) -> float:
    """Lowest first."""
    hours, minutes, _ = flight["scheduled_departure_time_est"].split(":")
    departure = 60 * int(hours) + int(minutes)
    prices = flight["dates"][date]["prices"]
    return float({"cheapest": prices[cabin], "earliest": departure, "latest": -departure}[word])


def ways(reservation: Record) -> list[list[Record]]:
    """The flights out, and those back if it is a round trip."""
    flights = list(reservation["flights"])
    if reservation["flight_type"] == "one_way":
        return [flights]
    turn = next(i for i, flight in enumerate(flights, start=1) if flight["destination"] == reservation["destination"])
    return [flights[:turn], flights[turn:]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebooking:
    """One way of a reservation, moved to another flight."""

    reservation: Record
    origin: str
    destination: str
    offer: Offer
    difference: int
    # dollars to pay, or below 0 to get back
    flights: list[JsonValue]
    # all of the reservation's, afterwards


def change_flights(traveller: Traveller, rng: random.Random) -> Goal | None:
    """Same ends, same cabin; basic economy cannot be changed."""
    rebooking = _drawn_rebooking(traveller, rng)
    payment_id = traveller.some_payment(rng, rebooking.difference) if rebooking else None
    if rebooking is None or payment_id is None:
        return None
    reservation, offer, difference = rebooking.reservation, rebooking.offer, rebooking.difference
    reference, where = referred(traveller, reservation, rng), traveller.payment_words(payment_id)
    request = _rebooking_told(rebooking, reference.words, where, rng)
    asks = rng.random() < ASKS_FOR_AMOUNT and abs(difference) >= 10
    ends = {"origin": rebooking.origin, "destination": rebooking.destination}
    return Goal(
        kind="change flights",
        subjects=frozenset({reservation["reservation_id"]}) | traveller.balances(payment_id),
        request=f"{request} You also want to know how much the difference is in total." if asks else request,
        facts=(*reference.facts, *map(place, ends.values()), offer.date, offer.words, "direct", where),
        reads=(*reference.reads, call("search_direct_flight", **ends, date=offer.date)),
        writes=(
            call(
                "update_reservation_flights",
                reservation_id=reservation["reservation_id"],
                cabin=reservation["cabin"],
                flights=rebooking.flights,
                payment_id=payment_id,
            ),
        ),
        info=(amount(abs(difference)),) if asks else (),
        unknown=reference.unknown,
        conduct=(f"Nothing else of {reference.words} is to change.",),
    )


def _drawn_rebooking(traveller: Traveller, rng: random.Random) -> Rebooking | None:
    airline = traveller.airline
    reservation = traveller.some_reservation(
        rng, lambda found: airline.is_ahead(found) and found["cabin"] != "basic_economy"
    )
    if reservation is None:
        return None
    trip = ways(reservation)
    index = rng.randrange(len(trip))
    old, num_passengers, date = trip[index], len(reservation["passengers"]), _another_day(trip, index, rng)
    ends = {"origin": old[0]["origin"], "destination": old[-1]["destination"]}
    if date is None:
        return None
    offer = best_offer(airline, **ends, date=date, cabin=reservation["cabin"], seats=num_passengers, rng=rng)
    if offer is None or _as_booked(offer.flight_number, date) in _flights(old):
        return None
    flights = [_flights(way) for way in trip]
    flights[index] = [_as_booked(offer.flight_number, date)]
    return Rebooking(
        reservation=reservation,
        **ends,
        offer=offer,
        difference=(offer.price - sum(flight["price"] for flight in old)) * num_passengers,
        flights=[flight for way in flights for flight in way],
    )


def _rebooking_told(rebooking: Rebooking, reservation: str, where: str, rng: random.Random) -> str:
    route = f"from {place(rebooking.origin)} to {place(rebooking.destination)}"
    cabin, word, date = cabin_words(rebooking.reservation["cabin"]), rebooking.offer.words, rebooking.offer.date
    return pick(
        rng,
        f"In {reservation}, you want to fly {route} on {date} instead, on the {word} direct flight of that day, still in {cabin}. "
        f"The difference goes through {where}.",
        f"It is about {reservation}: change the flight {route} to the {word} direct one on {date}, in {cabin} as before. "
        f"Use {where} for the difference in price.",
        f"You want to change {reservation}. For the way {route}, you want the {word} direct {cabin} flight on {date}. "
        f"Pay or refund the difference with {where}.",
    )


def _another_day(trip: Sequence[Sequence[Record]], index: int, rng: random.Random) -> str | None:
    """A day on which this way comes before, or after, the other one."""
    first = FIRST_DAY if index == 0 else int(trip[0][-1]["date"][-2:]) + 1
    last = LAST_DAY if index == len(trip) - 1 else int(trip[1][0]["date"][-2:]) - 1
    return day(rng.randint(first, last)) if first <= last else None


def _flights(way: Sequence[Record]) -> list[JsonValue]:
    return [_as_booked(flight["flight_number"], flight["date"]) for flight in way]


def _as_booked(flight_number: str, date: str) -> JsonValue:
    return {"flight_number": flight_number, "date": date}
