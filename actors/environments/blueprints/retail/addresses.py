"""Where things go: the address of a pending order, of the profile, or both after a move."""

from __future__ import annotations

import random
from collections.abc import Mapping

from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.retail.customer import Customer, looked_up, referred
from actors.environments.blueprints.wording import pick

TO_PROFILE_ADDRESS = 0.4
# share of address changes that ask for the profile's own, where it is another
MOST_MOVED = 3
# pending orders that a move changes
UNITS = ("Suite", "Apt", "Unit")


def change_order_address(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "pending")
    if order is None:
        return None
    home: Record = customer.user["address"]
    to_profile = home != order["address"] and rng.random() < TO_PROFILE_ADDRESS
    address = home if to_profile else _new_address(customer, rng)
    words = "the default address in your profile" if to_profile else address_words(address)
    reference = referred(customer, order, rng)
    return Goal(
        kind="change order address",
        subjects=frozenset({order["order_id"], *([customer.user_id] if to_profile else [])}),
        request=pick(
            rng,
            f"You want {reference.words} to be shipped to {words}.",
            f"The shipping address of {reference.words} is wrong. It should be {words}.",
            f"Please have the address of {reference.words} changed to {words}.",
        ),
        facts=(*reference.facts, words.removeprefix("the ")),
        reads=reference.reads,
        writes=(call("modify_pending_order_address", order_id=order["order_id"], **_arguments(address)),),
        unknown=reference.unknown,
        conduct=(f"Of {reference.words}, only the shipping address is to change.",),
    )


def change_profile_address(customer: Customer, rng: random.Random) -> Goal | None:
    address = _new_address(customer, rng)
    words = address_words(address)
    return Goal(
        kind="change profile address",
        subjects=frozenset({customer.user_id}),
        request=pick(
            rng,
            f"You want the default address in your profile to be {words}. Your orders are to stay as they are.",
            f"Please have the default address of your account changed to {words}, but no order's address.",
            f"For future orders, your default address should be {words}. Existing orders are not affected.",
        ),
        facts=(words,),
        writes=(call("modify_user_address", user_id=customer.user_id, **_arguments(address)),),
    )


def move_house(customer: Customer, rng: random.Random) -> Goal | None:
    """The profile and every pending order; the agent looks through all orders to find those."""
    pending = [order["order_id"] for order in customer.orders if order["status"] == "pending"]
    if not 1 <= len(pending) <= MOST_MOVED or len(customer.orders) > MOST_MOVED + 2:
        return None
    address = _new_address(customer, rng)
    words, arguments = address_words(address), _arguments(address)
    return Goal(
        kind="move house",
        subjects=frozenset({customer.user_id, *pending}),
        request=pick(
            rng,
            f"You have moved to {words}. Have your default address and the address of every pending order changed to it.",
            f"Your new home is {words}. Both the default address of your profile and all your pending orders need it.",
            f"You now live at {words}, and you want that address in your profile and on each order that is still pending.",
        ),
        facts=(words, "pending"),
        reads=tuple(looked_up(order["order_id"]) for order in customer.orders),
        writes=(
            call("modify_user_address", user_id=customer.user_id, **arguments),
            *(call("modify_pending_order_address", order_id=key, **arguments) for key in pending),
        ),
        unknown=("You do not know which of your orders are still pending.",),
    )


def address_words(address: Record) -> str:
    return ", ".join(address[part] for part in ("address1", "address2", "city", "state", "zip"))


def _new_address(customer: Customer, rng: random.Random) -> Record:
    """A street, a unit and a city that exist in the database, though not together."""
    users = list(customer.store.users.values())
    street = rng.choice(users)["address"]["address1"].partition(" ")[2]
    place = rng.choice(users)["address"]
    return {
        **place,
        "address1": f"{rng.randint(100, 999)} {street}",
        "address2": f"{rng.choice(UNITS)} {rng.randint(100, 999)}",
    }


def _arguments(address: Record) -> Mapping[str, str]:
    return {part: address[part] for part in ("address1", "address2", "city", "state", "country", "zip")}
