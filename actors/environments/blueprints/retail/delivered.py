"""What can be done about a delivered order: return items, or exchange them for other versions. Once per order."""

from __future__ import annotations

import random

from actors.environments.blueprints.goals import Goal, call
from actors.environments.blueprints.retail.customer import Customer, item_words, referred
from actors.environments.blueprints.retail.versions import another_version
from actors.environments.blueprints.wording import amount, listed, pick

ASKS_FOR_AMOUNT = 0.25
# share of goals in which the customer also wants to be told a sum of money
MOST_EXCHANGED = 2


def return_items(customer: Customer, rng: random.Random) -> Goal | None:
    """Back to the original payment method or to a gift card, as the policy has it."""
    order = customer.some_order(rng, "delivered")
    if order is None:
        return None
    chosen = rng.sample(range(len(order["items"])), rng.randint(1, len(order["items"])))
    items = [order["items"][index] for index in sorted(chosen)]
    payment_id = rng.choice(_refundable(customer, order["payment_history"][0]["payment_method_id"]))
    reference, where = referred(customer, order, rng), customer.payment_words(payment_id)
    what = listed([item_words(order, item) for item in items])
    request = pick(
        rng,
        f"You want to return {what} from {reference.words}. The refund should go to {where}.",
        f"You are not happy with {what} from {reference.words} and want to send it all back, refunded to {where}.",
        f"From {reference.words}, you would like to return {what}, and get the money on {where}.",
    )
    asks = rng.random() < ASKS_FOR_AMOUNT
    return Goal(
        kind="return",
        subjects=frozenset({order["order_id"]}),
        request=f"{request} You also want to know how much you get back in total." if asks else request,
        facts=(*reference.facts, *(item_words(order, item) for item in items), where),
        reads=reference.reads,
        writes=(
            call(
                "return_delivered_order_items",
                order_id=order["order_id"],
                item_ids=[item["item_id"] for item in items],
                payment_method_id=payment_id,
            ),
        ),
        info=(amount(sum(item["price"] for item in items)),) if asks else (),
        unknown=reference.unknown,
    )


def exchange_items(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "delivered")
    if order is None:
        return None
    items = rng.sample(order["items"], min(len(order["items"]), rng.randint(1, MOST_EXCHANGED)))
    products = [customer.store.products[item["product_id"]] for item in items]
    drawn = [another_version(product, item, rng) for product, item in zip(products, items, strict=True)]
    versions = [version for version in drawn if version]
    difference = sum(version.variant["price"] for version in versions) - sum(item["price"] for item in items)
    payments = [payment for payment in customer.user["payment_methods"] if customer.can_pay(payment, difference)]
    if len(versions) < len(items) or not payments:
        return None
    payment_id = rng.choice(payments)
    reference, where = referred(customer, order, rng), customer.payment_words(payment_id)
    what = "; and ".join(
        f"{item_words(order, item)} for {new.words}" for item, new in zip(items, versions, strict=True)
    )
    request = _exchange_told(what, reference.words, where, rng)
    asks = rng.random() < ASKS_FOR_AMOUNT and abs(difference) >= 1
    return Goal(
        kind="exchange",
        subjects=frozenset({order["order_id"]}) | customer.balances(payment_id),
        request=f"{request} You also want to know how much the difference is in total." if asks else request,
        facts=(
            *reference.facts,
            *(item_words(order, item) for item in items),
            *(fact for version in versions for fact in version.facts),
            where,
        ),
        reads=(
            *reference.reads,
            *(call("get_product_details", product_id=product["product_id"]) for product in products),
        ),
        writes=(
            call(
                "exchange_delivered_order_items",
                order_id=order["order_id"],
                item_ids=[item["item_id"] for item in items],
                new_item_ids=[version.variant["item_id"] for version in versions],
                payment_method_id=payment_id,
            ),
        ),
        info=(amount(abs(difference)),) if asks else (),
        unknown=reference.unknown,
        conduct=(f"If the agent asks, nothing else of {reference.words} is to be exchanged.",),
    )


def _exchange_told(what: str, order: str, where: str, rng: random.Random) -> str:
    return pick(
        rng,
        f"You want to exchange {what}. It is about {order}. Use {where} for the price difference.",
        f"In {order}, you want to exchange {what}. Any difference goes through {where}.",
        f"You received {order} and would rather exchange {what}. For the difference, you use {where}.",
    )


def _refundable(customer: Customer, original: str) -> list[str]:
    methods = customer.user["payment_methods"]
    return [key for key, method in methods.items() if key == original or method["source"] == "gift_card"]
