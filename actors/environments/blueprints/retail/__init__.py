"""τ² retail: returns, exchanges, cancellations, changes, questions, and what the policy refuses.

Every goal keeps to the domain's policy as the package states it, so that its gold is what an agent does who follows it.
"""

from __future__ import annotations

from actors.environments.blueprints.goals import Maker, Shop
from actors.environments.blueprints.records import Tables
from actors.environments.blueprints.retail import addresses, delivered, handovers, pending, questions, refusals
from actors.environments.blueprints.retail.customer import Customer, Store, introduced

MAKERS: tuple[tuple[int, Maker[Customer]], ...] = (
    (14, delivered.return_items),
    (16, delivered.exchange_items),
    (10, pending.cancel_order),
    (12, pending.change_item),
    (14, pending.change_payment),
    (8, addresses.change_order_address),
    (2, addresses.change_profile_address),
    (4, addresses.move_house),
    (5, questions.order_total),
    (3, questions.item_price),
    (2, questions.tracking_number),
    (1, questions.cheapest_version),
    (2, questions.number_of_versions),
    (3, questions.spent_on_delivered),
    (3, refusals.cancel_too_late),
    (2, refusals.return_too_early),
    (2, refusals.another_product),
    (4, refusals.refund_elsewhere),
    (4, refusals.gift_card_too_small),
    (2, refusals.sold_out),
    (1, refusals.order_of_another),
    (2, refusals.remove_one_item),
    (3, refusals.split_payment),
    (1, handovers.revive_order),
    (1, handovers.change_email),
    (1, handovers.lost_parcel),
)


def open_shop(tables: Tables) -> Shop[Customer]:
    store = Store(products=tables["products"], orders=tables["orders"], users=tables["users"])
    customers = {name: Customer(user=user, store=store) for name, user in tables["users"].items() if user["orders"]}
    # who has ordered nothing could ask for little
    return Shop(
        domain="retail",
        customers=customers,
        profiles=tables["users"],
        owners={key: order["user_id"] for key, order in tables["orders"].items()},
        opening=introduced,
        makers=MAKERS,
    )
