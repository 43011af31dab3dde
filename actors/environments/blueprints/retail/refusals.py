"""What the policy does not allow: the right outcome is a polite no, and a database that stays as it is.

Each says that the customer wants nothing in its place, so that the refusal is the whole of the gold.
"""

from __future__ import annotations

import random
from dataclasses import replace

from actors.environments.blueprints.goals import Goal, Record, call
from actors.environments.blueprints.retail.customer import Customer, OrderReference, item_words, referred
from actors.environments.blueprints.retail.versions import by_options
from actors.environments.blueprints.wording import pick

ACCEPT = "If the agent says that something cannot be done, accept it and ask for nothing in its place."


def _refused(kind: str, order: Record, reference: OrderReference, *, request: str, facts: tuple[str, ...] = ()) -> Goal:
    return Goal(
        kind=f"{kind} refused",
        subjects=frozenset({order["order_id"]}),
        request=request,
        facts=(*reference.facts, *facts),
        reads=reference.reads,
        unknown=reference.unknown,
        conduct=(ACCEPT,),
        refused=f"The agent does not change order {order['order_id']}.",
    )


def cancel_too_late(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "processed", "delivered")
    if order is None:
        return None
    reference = referred(customer, order, rng)
    request = pick(
        rng,
        f"You want to cancel {reference.words} because you no longer need it. You do not want to return or exchange anything.",
        f"Ask for {reference.words} to be cancelled, as you ordered it by mistake. A return is not what you want.",
    )
    return _refused("cancel", order, reference, request=request)


def return_too_early(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "pending", "processed")
    if order is None:
        return None
    item = rng.choice(order["items"])
    reference, what = referred(customer, order, rng), item_words(order, item)
    request = pick(
        rng,
        f"You want to return {what} from {reference.words} for a refund. You do not want to cancel or change the order.",
        f"Ask to send {what} from {reference.words} back for a refund; nothing else about the order is to change.",
    )
    return _refused("return", order, reference, request=request, facts=(what, "refund"))


def another_product(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "delivered", "pending")
    if order is None:
        return None
    item = rng.choice(order["items"])
    others = [product["name"] for product in customer.store.products.values() if product["name"] != item["name"]]
    reference, what, other = referred(customer, order, rng), item_words(order, item), rng.choice(others)
    request = pick(
        rng,
        f"You want {what} from {reference.words} swapped for a {other}. Another version of the same product is no use to you.",
        f"Instead of {what} in {reference.words}, you want a {other}, and nothing but that.",
    )
    return _refused("other product", order, reference, request=request, facts=(what, other))


def refund_elsewhere(customer: Customer, rng: random.Random) -> Goal | None:
    """To a payment method that is neither the original one nor a gift card."""
    order = customer.some_order(rng, "delivered")
    if order is None:
        return None
    original = order["payment_history"][0]["payment_method_id"]
    methods = customer.user["payment_methods"]
    others = [key for key, method in methods.items() if key != original and method["source"] != "gift_card"]
    if not others:
        return None
    item, where = rng.choice(order["items"]), customer.payment_words(rng.choice(others))
    reference, what = referred(customer, order, rng), item_words(order, item)
    request = pick(
        rng,
        f"You want to return {what} from {reference.words}, but only if the refund goes to {where}. Otherwise you keep it.",
        f"You would return {what} from {reference.words} with the money going to {where}; on any other terms you keep it.",
    )
    return _refused("refund elsewhere", order, reference, request=request, facts=(what, where, "keep it"))


def gift_card_too_small(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "pending")
    if order is None:
        return None
    paid = order["payment_history"][0]
    small = [
        key
        for key in customer.user["payment_methods"]
        if key != paid["payment_method_id"] and not customer.can_pay(key, paid["amount"])
    ]
    if not small:
        return None
    reference, where = referred(customer, order, rng), customer.payment_words(rng.choice(small))
    request = pick(
        rng,
        f"You want to pay for {reference.words} with {where} alone. If that is not possible, the payment stays as it is.",
        f"The payment of {reference.words} should be moved to {where}, all of it, or else not at all.",
    )
    goal = _refused("gift card", order, reference, request=request, facts=(where,))
    return replace(goal, subjects=goal.subjects | customer.balances(*small))


def sold_out(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "delivered", "pending")
    if order is None:
        return None
    item = rng.choice(order["items"])
    variants = customer.store.products[item["product_id"]]["variants"].values()
    gone = [variant for variant in variants if not variant["available"] and variant["item_id"] != item["item_id"]]
    if not gone:
        return None
    reference, what, version = (
        referred(customer, order, rng),
        item_words(order, item),
        by_options(item, rng.choice(gone)),
    )
    request = pick(
        rng,
        f"You want {what} from {reference.words} replaced by {version.words}. You want exactly that version or none.",
        f"In {reference.words}, you want {version.words} instead of {what}. If it is not in stock, you leave things as they are.",
    )
    goal = _refused("sold out", order, reference, request=request, facts=(what, *version.facts))
    looked_up = call("get_product_details", product_id=item["product_id"])
    return replace(goal, reads=(*goal.reads, looked_up))


def remove_one_item(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "pending")
    if order is None or len(order["items"]) < 2:
        return None
    reference, what = referred(customer, order, rng), item_words(order, rng.choice(order["items"]))
    request = pick(
        rng,
        f"You want only {what} taken out of {reference.words}; the rest should come. You do not want to cancel the whole order.",
        f"Ask for {what} to be removed from {reference.words}, and for everything else in it to be delivered as planned.",
    )
    return _refused("remove item", order, reference, request=request, facts=(what,))


def split_payment(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "pending")
    if order is None or len(customer.user["payment_methods"]) < 2:
        return None
    first, second = rng.sample(list(customer.user["payment_methods"]), 2)
    reference, words = referred(customer, order, rng), (customer.payment_words(first), customer.payment_words(second))
    request = pick(
        rng,
        f"You want to pay half of {reference.words} with {words[0]} and half with {words[1]}. One method alone is no use to you.",
        f"The payment for {reference.words} should be split between {words[0]} and {words[1]}; otherwise it stays as it is.",
    )
    return _refused("split payment", order, reference, request=request, facts=words)


def order_of_another(customer: Customer, rng: random.Random) -> Goal | None:
    order = rng.choice(list(customer.store.orders.values()))
    if order["user_id"] == customer.user_id or order["status"] != "pending":
        return None
    key = order["order_id"]
    who = rng.choice(("sister", "neighbour", "colleague", "friend"))
    return Goal(
        kind="order of another refused",
        subjects=frozenset({key}),
        request=pick(
            rng,
            f"Your {who} asked you to have order {key} cancelled; it is not on your own account.",
            f"You want order {key} cancelled for your {who}, who placed it with an account of their own.",
        ),
        facts=(key, who),
        conduct=(ACCEPT,),
        refused=f"The agent does not cancel order {key}, which is another customer's.",
    )
