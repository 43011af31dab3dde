"""What a customer wants to be told, each answered by a text that hardly comes up by accident."""

from __future__ import annotations

import random

from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.retail.customer import Customer, item_words, looked_up, referred
from actors.environments.blueprints.retail.versions import extreme, in_stock
from actors.environments.blueprints.wording import amount, pick
from rollouts.episode import ToolCall

ANY_STATUS = ("pending", "processed", "delivered", "cancelled")
FEWEST_COUNTED = 10
# a number of one digit stands in most messages anyway
MOST_SUMMED = 5


def order_total(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, *ANY_STATUS)
    if order is None:
        return None
    reference = referred(customer, order, rng)
    return Goal(
        kind="ask order total",
        subjects=frozenset({order["order_id"]}),
        request=pick(
            rng,
            f"You want to know the total price of {reference.words}.",
            f"You wonder how much {reference.words} cost in total.",
            f"Ask what the total of {reference.words} was.",
        ),
        facts=(*reference.facts, "total"),
        reads=reference.reads,
        info=(amount(order["payment_history"][0]["amount"]),),
        unknown=reference.unknown,
    )


def item_price(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, *ANY_STATUS)
    if order is None:
        return None
    item = rng.choice(order["items"])
    reference, what = referred(customer, order, rng), item_words(order, item)
    return Goal(
        kind="ask item price",
        subjects=frozenset({order["order_id"]}),
        request=pick(
            rng,
            f"You want to know how much you paid for {what} in {reference.words}.",
            f"Ask for the price of {what} in {reference.words}.",
            f"You forgot the price of {what} in {reference.words} and want to be told.",
        ),
        facts=(*reference.facts, what),
        reads=reference.reads,
        info=(amount(item["price"]),),
        unknown=reference.unknown,
    )


def tracking_number(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "processed", "delivered")
    if order is None:
        return None
    reference = referred(customer, order, rng)
    return Goal(
        kind="ask tracking number",
        subjects=frozenset({order["order_id"]}),
        request=pick(
            rng,
            f"You need the tracking number of {reference.words}.",
            f"Ask for the tracking id of {reference.words}.",
            f"You want to be told under which tracking number {reference.words} was sent.",
        ),
        facts=(*reference.facts, "tracking"),
        reads=reference.reads,
        info=(order["fulfillments"][0]["tracking_id"][0],),
        unknown=reference.unknown,
    )


def spent_on_delivered(customer: Customer, rng: random.Random) -> Goal | None:
    delivered = [order for order in customer.orders if order["status"] == "delivered"]
    if len(delivered) < 2 or len(customer.orders) > MOST_SUMMED:
        return None
    return Goal(
        kind="ask total of delivered",
        subjects=frozenset(order["order_id"] for order in delivered),
        request=pick(
            rng,
            "You want to know how much all your delivered orders cost together.",
            "Ask for the sum of what your delivered orders cost.",
            "You wonder what your delivered orders add up to, in dollars.",
        ),
        facts=("delivered orders",),
        reads=tuple(looked_up(order["order_id"]) for order in customer.orders),
        info=(amount(sum(order["payment_history"][0]["amount"] for order in delivered)),),
        conduct=("Orders that are not delivered do not count for that sum.",),
    )


# -- products ---------------------------------------------------------------------------------------------------------


def cheapest_version(customer: Customer, rng: random.Random) -> Goal | None:
    product = _some_product(customer, rng)
    variants = in_stock(product)
    found = extreme(variants, rng) if len(variants) > 1 else None
    if found is None:
        return None
    variant, word = found
    return Goal(
        kind="ask best price",
        subjects=frozenset({product["product_id"]}),
        request=pick(
            rng,
            f"You want to know the price of the {word} {product['name']} that is in stock.",
            f"Ask what the {word} {product['name']} in stock costs.",
            f"You are curious how much the {word} {product['name']} in stock is.",
        ),
        facts=(word, product["name"], "in stock"),
        reads=_looked_up_product(product),
        info=(amount(variant["price"]),),
    )


def number_of_versions(customer: Customer, rng: random.Random) -> Goal | None:
    product = _some_product(customer, rng)
    count = len(in_stock(product))
    if count < FEWEST_COUNTED:
        return None
    return Goal(
        kind="ask number of versions",
        subjects=frozenset({product["product_id"]}),
        request=pick(
            rng,
            f"You want to know how many different versions of the {product['name']} are in stock right now, as a number.",
            f"Ask for the number of {product['name']} versions that are currently in stock.",
        ),
        facts=(product["name"], "in stock"),
        reads=_looked_up_product(product),
        info=(str(count),),
    )


def _some_product(customer: Customer, rng: random.Random) -> Record:
    return rng.choice(list(customer.store.products.values()))


def _looked_up_product(product: Record) -> tuple[ToolCall, ...]:
    return call("list_all_product_types"), call("get_product_details", product_id=product["product_id"])
