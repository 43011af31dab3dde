"""What can be done about a pending order: cancel it, change one item to another version, or pay for it differently."""

from __future__ import annotations

import random

from actors.environments.blueprints.goals import Goal, call
from actors.environments.blueprints.retail.customer import Customer, item_words, referred
from actors.environments.blueprints.retail.delivered import ASKS_FOR_AMOUNT
from actors.environments.blueprints.retail.versions import another_version
from actors.environments.blueprints.wording import amount, pick


def cancel_order(customer: Customer, rng: random.Random) -> Goal | None:
    """For one of the two reasons that the policy accepts, said plainly."""
    order = customer.some_order(rng, "pending")
    if order is None:
        return None
    reference, paid = referred(customer, order, rng), order["payment_history"][0]
    reason = rng.choice(("no longer needed", "ordered by mistake"))
    because = "you ordered it by mistake" if reason == "ordered by mistake" else "you no longer need it"
    request = pick(
        rng,
        f"You want to cancel {reference.words} because {because}.",
        f"Please have {reference.words} cancelled: {because}.",
        f"You would like {reference.words} to be cancelled, since {because}.",
    )
    asks = rng.random() < ASKS_FOR_AMOUNT
    return Goal(
        kind="cancel",
        subjects=frozenset({order["order_id"]}) | customer.balances(paid["payment_method_id"]),
        request=f"{request} You also want to know how much will be refunded." if asks else request,
        facts=(*reference.facts, because.removeprefix("you ")),
        reads=reference.reads,
        writes=(call("cancel_pending_order", order_id=order["order_id"], reason=reason),),
        info=(amount(paid["amount"]),) if asks else (),
        unknown=reference.unknown,
    )


def change_item(customer: Customer, rng: random.Random) -> Goal | None:
    """One item only: with several, upstream's tool gives all of them the last one's price, so the end would hang on their order."""
    order = customer.some_order(rng, "pending")
    if order is None:
        return None
    item = rng.choice(order["items"])
    version = another_version(customer.store.products[item["product_id"]], item, rng)
    if version is None:
        return None
    difference = version.variant["price"] - item["price"]
    payments = [payment for payment in customer.user["payment_methods"] if customer.can_pay(payment, difference)]
    if not payments:
        return None
    payment_id = rng.choice(payments)
    reference, where, what = referred(customer, order, rng), customer.payment_words(payment_id), item_words(order, item)
    return Goal(
        kind="change item",
        subjects=frozenset({order["order_id"]}) | customer.balances(payment_id),
        request=pick(
            rng,
            f"In {reference.words}, which has not been shipped yet, you want {what} changed to {version.words}. "
            f"The difference goes through {where}.",
            f"You want to modify {reference.words}: instead of {what}, take {version.words}. Use {where} for the difference.",
            f"You picked the wrong {what.removeprefix('the ')} in {reference.words} and want {version.words} instead. "
            f"Pay or refund the difference with {where}.",
        ),
        facts=(*reference.facts, what.removeprefix("the "), *version.facts, where),
        reads=(*reference.reads, call("get_product_details", product_id=item["product_id"])),
        writes=(
            call(
                "modify_pending_order_items",
                order_id=order["order_id"],
                item_ids=[item["item_id"]],
                new_item_ids=[version.variant["item_id"]],
                payment_method_id=payment_id,
            ),
        ),
        unknown=reference.unknown,
        conduct=(f"If the agent asks, nothing else of {reference.words} is to change.",),
    )


def change_payment(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "pending")
    if order is None:
        return None
    paid = order["payment_history"][0]
    others = [
        payment
        for payment in customer.user["payment_methods"]
        if payment != paid["payment_method_id"] and customer.can_pay(payment, paid["amount"])
    ]
    if not others or len(order["payment_history"]) > 1:
        return None
    payment_id = rng.choice(others)
    reference, where = referred(customer, order, rng), customer.payment_words(payment_id)
    return Goal(
        kind="change payment",
        subjects=frozenset({order["order_id"]}) | customer.balances(payment_id, paid["payment_method_id"]),
        request=pick(
            rng,
            f"You want to pay for {reference.words} with {where} instead.",
            f"You used the wrong payment method for {reference.words}; it should be {where}.",
            f"For {reference.words}, please have the payment moved to {where}.",
        ),
        facts=(*reference.facts, where),
        reads=reference.reads,
        writes=(call("modify_pending_order_payment", order_id=order["order_id"], payment_method_id=payment_id),),
        unknown=reference.unknown,
    )
