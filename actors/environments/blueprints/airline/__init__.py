"""τ² airline: cancellations, changes, bags, passengers, bookings, compensation, questions, and what the policy refuses.

Every goal keeps to the domain's policy as the package states it: the tools do not check it, so the makers do.
"""

from __future__ import annotations

from actors.environments.blueprints.airline import (
    booking,
    cabins,
    cancelling,
    compensation,
    details,
    flights,
    questions,
    refusals,
)
from actors.environments.blueprints.airline.traveller import Airline, Traveller, introduced
from actors.environments.blueprints.goals import Maker, Shop
from actors.environments.blueprints.records import Tables

MAKERS: tuple[tuple[int, Maker[Traveller]], ...] = (
    (16, cancelling.cancel),
    (8, cancelling.cancel_refused),
    (3, cancelling.cancel_flown),
    (40, flights.change_flights),
    (12, cabins.change_cabin),
    (12, details.add_bags),
    (10, details.change_passenger),
    (12, booking.book),
    (8, compensation.compensate),
    (10, compensation.compensate_refused),
    (2, questions.total_paid),
    (2, questions.flight_numbers),
    (1, questions.lowest_fare),
    (2, refusals.change_basic_economy),
    (2, refusals.change_destination),
    (2, refusals.add_insurance),
    (2, refusals.remove_bags),
    (2, refusals.drop_passenger),
)


def open_shop(tables: Tables) -> Shop[Traveller]:
    airline = Airline(flights=tables["flights"], reservations=tables["reservations"], users=tables["users"])
    travellers = {name: Traveller(user=user, airline=airline) for name, user in tables["users"].items()}
    return Shop(
        domain="airline",
        customers=travellers,
        profiles=tables["users"],
        owners={key: reservation["user_id"] for key, reservation in tables["reservations"].items()},
        opening=introduced,
        makers=MAKERS,
    )
