"""A retail customer, and how they speak of what is theirs.

What a customer says identifies exactly one record: an order by its number or by an item that none of their other orders has, an
item by its options where the order has two of its kind, a payment method by what tells it from their others.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass

from actors.environments.blueprints.goals import Opening, Record, call
from rollouts.episode import ToolCall

NUMBER_FORGOTTEN = 0.35
# share of order references without the order's number, where the order can be told by its items
MOST_LOOKED_AT = 5
# orders that an agent has to look through to find one
EMAIL_FORGOTTEN = 0.4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Store:
    products: Mapping[str, Record]
    orders: Mapping[str, Record]
    users: Mapping[str, Record]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Customer:
    user: Record
    store: Store

    @property
    def user_id(self) -> str:
        return str(self.user["user_id"])

    @property
    def orders(self) -> list[Record]:
        return [self.store.orders[key] for key in self.user["orders"]]

    def some_order(self, rng: random.Random, *statuses: str) -> Record | None:
        """An order of one of these statuses that holds no item twice: an item's id then says which is meant."""
        fitting = [
            order
            for order in self.orders
            if order["status"] in statuses and len({item["item_id"] for item in order["items"]}) == len(order["items"])
        ]
        return rng.choice(fitting) if fitting else None

    def can_pay(self, payment_id: str, price: float) -> bool:
        method = self.user["payment_methods"][payment_id]
        return bool(method["source"] != "gift_card" or method["balance"] >= price)

    def balances(self, *payment_ids: str) -> frozenset[str]:
        """The gift cards among them: two goals that touch one card's balance would hang on each other."""
        return frozenset(key for key in payment_ids if self.user["payment_methods"][key]["source"] == "gift_card")

    def payment_words(self, payment_id: str) -> str:
        method = self.user["payment_methods"][payment_id]
        alike = [other for other in self.user["payment_methods"].values() if other["source"] == method["source"]]
        match method["source"]:
            case "credit_card" if len({card["last_four"] for card in alike}) == len(alike):
                return f"your {method['brand']} credit card ending in {method['last_four']}"
            case "paypal" if len(alike) == 1:
                return "your PayPal account"
            case "gift_card" if len(alike) == 1:
                return "your gift card"
            case _:
                return f"your payment method {payment_id}"


def introduced(customer: Customer, rng: random.Random) -> Opening:
    """By email, or by name and zip code where the email is forgotten."""
    user = customer.user
    first, last, zip_code = user["name"]["first_name"], user["name"]["last_name"], user["address"]["zip"]
    details = call("get_user_details", user_id=customer.user_id)
    if rng.random() < EMAIL_FORGOTTEN:
        return Opening(
            known=f"You are {first} {last}, and you live in zip code {zip_code}.",
            unknown=("You do not remember your email address.",),
            reads=(call("find_user_id_by_name_zip", first_name=first, last_name=last, zip=zip_code), details),
        )
    home = f" You live in zip code {zip_code}." if rng.random() < 0.5 else ""
    return Opening(
        known=f"You are {first} {last}. Your email address is {user['email']}.{home}",
        unknown=(),
        reads=(call("find_user_id_by_email", email=user["email"]), details),
    )


# -- orders and items -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReference:
    words: str
    facts: tuple[str, ...]
    reads: tuple[ToolCall, ...]
    # what an agent looks at to know the order
    unknown: tuple[str, ...]


def referred(customer: Customer, order: Record, rng: random.Random) -> OrderReference:
    telling = _telling_items(customer, order)
    if telling and rng.random() < NUMBER_FORGOTTEN:
        name = rng.choice(telling)
        keys = list(customer.user["orders"])
        return OrderReference(
            words=f"the order with the {name} in it",
            facts=(name,),
            reads=tuple(looked_up(key) for key in keys[: keys.index(order["order_id"]) + 1]),
            unknown=(f"You do not remember the number of the order with the {name} in it.",),
        )
    key = order["order_id"]
    return OrderReference(words=f"order {key}", facts=(key,), reads=(looked_up(key),), unknown=())


def looked_up(order_id: str) -> ToolCall:
    return call("get_order_details", order_id=order_id)


def _telling_items(customer: Customer, order: Record) -> list[str]:
    """Names of items that only this order of the customer's has; none where it is found too late."""
    if list(customer.user["orders"]).index(order["order_id"]) >= MOST_LOOKED_AT:
        return []
    elsewhere = {item["name"] for other in customer.orders if other is not order for item in other["items"]}
    return sorted({item["name"] for item in order["items"]} - elsewhere)


def item_words(order: Record, item: Record) -> str:
    """ "the Water Bottle", or with its options where the order has several."""
    if sum(other["product_id"] == item["product_id"] for other in order["items"]) == 1:
        return f"the {item['name']}"
    return f"the {item['name']} ({', '.join(options_told(item['options']))})"


def options_told(options: Mapping[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in options.items()]
