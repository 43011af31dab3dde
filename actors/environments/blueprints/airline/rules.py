"""What the airline's policy (the domain's policy file) allows, as far as the goals need it."""

from __future__ import annotations

from collections.abc import Mapping

from actors.environments.blueprints.airline.traveller import Airline
from actors.environments.blueprints.goals import Record

A_DAY_AGO = "2024-05-14T15:00:00"
# the policy's "now" is 2024-05-15 15:00:00 EST
FLOWN = frozenset({"landed", "flying"})
BAG_DOLLARS = 50
INSURANCE_DOLLARS = 30
# per passenger
FREE_BAGS: Mapping[str, Mapping[str, int]] = {
    "regular": {"basic_economy": 0, "economy": 1, "business": 2},
    "silver": {"basic_economy": 1, "economy": 2, "business": 3},
    "gold": {"basic_economy": 2, "economy": 3, "business": 4},
}
# per passenger, by the booking user's membership and the cabin


def free_bags(user: Record, *, cabin: str, num_passengers: int) -> int:
    return FREE_BAGS[user["membership"]][cabin] * num_passengers


def is_flown(airline: Airline, reservation: Record) -> bool:
    """Some portion of it: then nobody but a human can cancel it."""
    return bool(airline.statuses(reservation) & FLOWN)


def may_cancel_for_any_reason(reservation: Record) -> bool:
    return bool(reservation["cabin"] == "business" or reservation["created_at"] >= A_DAY_AGO)


def is_insured(reservation: Record) -> bool:
    return bool(reservation["insurance"] == "yes")


def may_be_compensated(user: Record, reservation: Record) -> bool:
    return bool(user["membership"] != "regular" or is_insured(reservation) or reservation["cabin"] == "business")
