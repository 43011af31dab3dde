"""What no tool of the agent's can do: it transfers the customer to a human, and changes nothing."""

from __future__ import annotations

import random

from actors.environments.blueprints.goals import Goal
from actors.environments.blueprints.retail.customer import Customer, referred
from actors.environments.blueprints.wording import pick

AGREE = "If the agent offers to transfer you to a human agent, agree."


def revive_order(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "cancelled")
    if order is None:
        return None
    reference = referred(customer, order, rng)
    return Goal(
        kind="revive order handed over",
        subjects=frozenset({order["order_id"]}),
        request=pick(
            rng,
            f"You cancelled {reference.words} by accident and want the cancellation undone. You do not want to order again.",
            f"Ask for the cancelled order to be reactivated: it is {reference.words}. Ordering it again is no use to you.",
        ),
        facts=reference.facts,
        reads=reference.reads,
        unknown=reference.unknown,
        conduct=(AGREE,),
        handover="The user wants a cancelled order to be reactivated, which no tool can do.",
    )


def change_email(customer: Customer, rng: random.Random) -> Goal | None:
    name = customer.user["name"]
    address = f"{name['first_name']}.{name['last_name']}{rng.randint(1000, 9999)}@example.com".lower()
    return Goal(
        kind="change email handed over",
        subjects=frozenset({customer.user_id}),
        request=pick(
            rng,
            f"You want the email address of your account changed to {address}.",
            f"From now on, your account should use the email address {address}. Ask for that.",
        ),
        facts=(address,),
        conduct=(AGREE,),
        handover="The user wants another email address for the account, which no tool can change.",
    )


def lost_parcel(customer: Customer, rng: random.Random) -> Goal | None:
    order = customer.some_order(rng, "processed")
    if order is None:
        return None
    reference = referred(customer, order, rng)
    return Goal(
        kind="lost parcel handed over",
        subjects=frozenset({order["order_id"]}),
        request=pick(
            rng,
            f"The carrier says that the parcel of {reference.words} is lost. You want somebody to open an investigation.",
            f"The parcel of {reference.words} was lost on its way. You want a claim to be filed with the carrier.",
        ),
        facts=(*reference.facts, "lost"),
        reads=reference.reads,
        unknown=reference.unknown,
        conduct=(AGREE,),
        handover="The user's parcel is lost and a claim with the carrier is wanted, which no tool can file.",
    )
