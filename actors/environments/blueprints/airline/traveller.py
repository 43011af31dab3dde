"""An airline customer, and how they speak of what is theirs. A reservation is meant by its id, or by a route only it has."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actors.environments.blueprints.goals import Opening, Record, call
from rollouts.episode import ToolCall

ID_FORGOTTEN = 0.3
# share of references without the reservation's id, where the route tells it
MOST_LOOKED_AT = 5
# reservations that an agent has to look through to find one
CITIES: Mapping[str, str] = {
    "ATL": "Atlanta",
    "BOS": "Boston",
    "CLT": "Charlotte",
    "DEN": "Denver",
    "DFW": "Dallas",
    "DTW": "Detroit",
    "EWR": "Newark",
    "IAH": "Houston",
    "JFK": "New York",
    "LAS": "Las Vegas",
    "LAX": "Los Angeles",
    "LGA": "New York",
    "MCO": "Orlando",
    "MIA": "Miami",
    "MSP": "Minneapolis",
    "ORD": "Chicago",
    "PHL": "Philadelphia",
    "PHX": "Phoenix",
    "SEA": "Seattle",
    "SFO": "San Francisco",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Airline:
    flights: Mapping[str, Record]
    reservations: Mapping[str, Record]
    users: Mapping[str, Record]

    def status(self, flight: Record) -> str:
        """Of one flight of a reservation: "available", "cancelled", "landed", …"""
        return str(self.flights[flight["flight_number"]]["dates"][flight["date"]]["status"])

    def statuses(self, reservation: Record) -> frozenset[str]:
        return frozenset(self.status(flight) for flight in reservation["flights"])

    def is_ahead(self, reservation: Record) -> bool:
        """No flight of it has been touched yet, and all could be booked today."""
        return self.statuses(reservation) == {"available"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traveller:
    user: Record
    airline: Airline

    @property
    def user_id(self) -> str:
        return str(self.user["user_id"])

    @property
    def reservations(self) -> list[Record]:
        return [self.airline.reservations[key] for key in self.user["reservations"]]

    def some_reservation(self, rng: random.Random, fits: Callable[[Record], bool]) -> Record | None:
        """One that fits; a trip back to where it starts has no destination that could be spoken of, and is left out."""
        fitting = [found for found in self.reservations if found["origin"] != found["destination"] and fits(found)]
        return rng.choice(fitting) if fitting else None

    def some_payment(self, rng: random.Random, price: int) -> str | None:
        """A credit card, or a gift card that covers the price (a refund goes to any). Certificates pay for bookings only."""
        usable = [
            key
            for key, method in self.user["payment_methods"].items()
            if method["source"] == "credit_card" or (method["source"] == "gift_card" and method["amount"] >= price)
        ]
        return rng.choice(usable) if usable else None

    def balances(self, *payment_ids: str) -> frozenset[str]:
        """What has a balance among them: two goals that touch one balance would hang on each other."""
        return frozenset(key for key in payment_ids if self.user["payment_methods"][key]["source"] != "credit_card")

    def payment_words(self, payment_id: str) -> str:
        method = self.user["payment_methods"][payment_id]
        alike = [other for other in self.user["payment_methods"].values() if other["source"] == method["source"]]
        match method["source"]:
            case "credit_card" if len({card["last_four"] for card in alike}) == len(alike):
                return f"your {method['brand']} credit card ending in {method['last_four']}"
            case "gift_card" | "certificate" if len({other["amount"] for other in alike}) == len(alike):
                kind = "gift card" if method["source"] == "gift_card" else "travel certificate"
                return f"your {kind} with ${method['amount']:g} on it"
            case _:
                return f"your payment method {payment_id}"


def introduced(traveller: Traveller, rng: random.Random) -> Opening:
    name = traveller.user["name"]
    order = [f"Your name is {name['first_name']} {name['last_name']}.", f"Your user id is {traveller.user_id}."]
    if rng.random() < 0.5:
        order.reverse()
    return Opening(known=" ".join(order), unknown=(), reads=(call("get_user_details", user_id=traveller.user_id),))


# -- reservations -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationReference:
    words: str
    facts: tuple[str, ...]
    reads: tuple[ToolCall, ...]
    unknown: tuple[str, ...]


def referred(traveller: Traveller, reservation: Record, rng: random.Random) -> ReservationReference:
    key, keys = reservation["reservation_id"], list(traveller.user["reservations"])
    if _told_by_route(traveller, reservation) and rng.random() < ID_FORGOTTEN:
        origin, destination = place(reservation["origin"]), place(reservation["destination"])
        return ReservationReference(
            words=f"your trip from {origin} to {destination}",
            facts=(origin, destination),
            reads=tuple(looked_up(other) for other in keys[: keys.index(key) + 1]),
            unknown=(f"You do not remember the reservation id of your trip from {origin} to {destination}.",),
        )
    return ReservationReference(words=f"reservation {key}", facts=(key,), reads=(looked_up(key),), unknown=())


def _told_by_route(traveller: Traveller, reservation: Record) -> bool:
    """No other reservation has its ends, in whichever direction, and it is found soon enough."""
    ends = {reservation["origin"], reservation["destination"]}
    alike = [other for other in traveller.reservations if {other["origin"], other["destination"]} == ends]
    return len(alike) == 1 and traveller.reservations.index(reservation) < MOST_LOOKED_AT


def looked_up(reservation_id: str) -> ToolCall:
    return call("get_reservation_details", reservation_id=reservation_id)


def place(airport: str) -> str:
    return f"{CITIES[airport]} ({airport})"


def cabin_words(cabin: str) -> str:
    return cabin.replace("_", " ")
