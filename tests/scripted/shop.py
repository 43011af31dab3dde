"""A shop small enough to know: three orders of one customer, tools that refuse what makes no sense, τ²-like task records."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    JsonValue,
    Reward,
    Side,
    StopReason,
    Task,
    ToolCall,
    ToolKind,
    ToolSpec,
)
from rollouts.identity import canonical_json, digest
from rollouts.protocols import Provenance, Transition

DELIVERED, PENDING, OTHER = "#W1000001", "#W1000002", "#W1000003"
CARD, GIFT = "credit_card_1111111", "gift_card_2222222"
KETTLE, LAMP, NEW_LAMP, CHAIR, DESK = "1000000001", "1000000002", "1000000003", "1000000004", "1000000005"
EMAIL = "ada12@example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    task: Task
    orders: Mapping[str, str]
    # order id → the order's record as canonical JSON


def _order(status: str, items: Sequence[str]) -> str:
    return canonical_json({"status": status, "item_ids": list(items), "payment_method_id": CARD})


OPEN = {
    DELIVERED: _order("delivered", [KETTLE, LAMP]),
    PENDING: _order("pending", [CHAIR]),
    OTHER: _order("pending", [DESK]),
}


class Refused(Exception):
    """What a tool says when it will not."""


def _change(shop: Shop, order_id: str, *, needed: str, change: Mapping[str, JsonValue]) -> Shop:
    record = _record(shop, order_id)
    if record["status"] != needed:
        raise Refused(f"{order_id} is not {needed}")
    return replace(shop, orders={**shop.orders, order_id: canonical_json({**record, **change})})


def _record(shop: Shop, order_id: str) -> dict[str, Any]:
    if order_id not in shop.orders:
        raise Refused(f"there is no order {order_id}")
    record: dict[str, Any] = json.loads(shop.orders[order_id])
    return record


def _check(shop: Shop, order_id: str, item_ids: Sequence[str], payment_method_id: str) -> None:
    if not set(item_ids) <= set(_record(shop, order_id)["item_ids"]):
        raise Refused("these items are not in the order")
    if payment_method_id not in (CARD, GIFT):
        raise Refused("there is no such payment method")


def _find_user(shop: Shop, *, email: str) -> tuple[Shop, str]:
    if email != EMAIL:
        raise Refused("there is no such user")
    return shop, json.dumps({"payment_method_ids": [CARD, GIFT], "order_ids": [DELIVERED, PENDING, OTHER]})


def _get_order(shop: Shop, *, order_id: str) -> tuple[Shop, str]:
    return shop, canonical_json(_record(shop, order_id))


def _return(shop: Shop, *, order_id: str, item_ids: list[str], payment_method_id: str) -> tuple[Shop, str]:
    _check(shop, order_id, item_ids, payment_method_id)
    change: dict[str, JsonValue] = {"status": "returned", "back": [*sorted(item_ids), payment_method_id]}
    return _change(shop, order_id, needed="delivered", change=change), "returned"


def _exchange(
    shop: Shop, *, order_id: str, item_ids: list[str], new_item_ids: list[str], payment_method_id: str
) -> tuple[Shop, str]:
    _check(shop, order_id, item_ids, payment_method_id)
    change: dict[str, JsonValue] = {"status": "exchanged", "new": [*sorted(new_item_ids), payment_method_id]}
    return _change(shop, order_id, needed="delivered", change=change), "exchanged"


def _cancel(shop: Shop, *, order_id: str, reason: str) -> tuple[Shop, str]:
    return _change(shop, order_id, needed="pending", change={"status": "cancelled", "reason": reason}), "cancelled"


def _transfer(shop: Shop, *, summary: str) -> tuple[Shop, str]:
    return shop, "transferred"


TOOLS: dict[str, tuple[ToolKind, Callable[..., tuple[Shop, str]], tuple[str, ...]]] = {
    "find_user": ("read", _find_user, ("email",)),
    "get_order": ("read", _get_order, ("order_id",)),
    "return_delivered_items": ("write", _return, ("order_id", "item_ids", "payment_method_id")),
    "exchange_delivered_items": ("write", _exchange, ("order_id", "item_ids", "new_item_ids", "payment_method_id")),
    "cancel_order": ("write", _cancel, ("order_id", "reason")),
    "transfer_to_human": ("transfer", _transfer, ("summary",)),
}
STOPS = {"###STOP###": StopReason.USER_STOP, "###TRANSFER###": StopReason.TRANSFER}


def gold(name: str, **arguments: JsonValue) -> dict[str, JsonValue]:
    return {"name": name, "arguments": arguments}


FIND = gold("find_user", email=EMAIL)
LOOK = gold("get_order", order_id=DELIVERED)
RETURN = gold("return_delivered_items", order_id=DELIVERED, item_ids=[KETTLE], payment_method_id=CARD)
EXCHANGE = gold(
    "exchange_delivered_items", order_id=DELIVERED, item_ids=[LAMP], new_item_ids=[NEW_LAMP], payment_method_id=CARD
)
CANCEL = gold("cancel_order", order_id=PENDING, reason="no longer needed")
HAND_OVER = gold("transfer_to_human", summary="The user wants a human.")


def shop_task(name: str, *actions: dict[str, JsonValue], info: Sequence[str] = ()) -> Task:
    instructions: dict[str, JsonValue] = {
        "reason_for_call": "You want your order put right.",
        "known_info": f"You are Ada, your email is {EMAIL}.",
    }
    data: dict[str, JsonValue] = {
        "user_scenario": {"instructions": instructions},
        "evaluation_criteria": {"actions": list(actions), "communicate_info": list(info)},
    }
    return Task(task_id=name, domain="shop", split="train", data=data)


TASKS = [
    shop_task("return", FIND, LOOK, RETURN),
    shop_task("two writes", FIND, LOOK, EXCHANGE, CANCEL, info=["42.50", "Blue"]),
    shop_task("tell", FIND, LOOK, info=["gift card"]),
    shop_task("look", FIND, LOOK),
    shop_task("human", FIND, HAND_OVER),
    shop_task("nothing"),
    shop_task("refused gold", FIND, FIND, CANCEL, CANCEL),
]


class ShopEnvironment:
    """Implements `rollouts.protocols.Environment`."""

    provenance = Provenance(source="shop", version="1", data_hash="0")

    def tasks(self, split: str) -> Sequence[Task]:
        return TASKS

    def briefing(self, task: Task) -> Briefing:
        specs = [
            ToolSpec(
                name=name,
                description=name,
                parameters={"type": "object", "properties": {key: {} for key in keys}, "required": list(keys)},
                kind=kind,
            )
            for name, (kind, _, keys) in TOOLS.items()
        ]
        return Briefing(policy="Be kind.", tools=tuple(specs), user_instructions="Be patient.")

    def initial(self, task: Task) -> Shop:
        return Shop(task=task, orders=OPEN)

    def apply(self, state: Shop, call: ToolCall, *, side: Side = "actor") -> Transition[Shop]:
        try:
            after, content = TOOLS[call.name][1](state, **call.arguments)
        except (Refused, TypeError) as refusal:
            return Transition(state=state, content=f"Error: {refusal}", is_error=True)
        return Transition(state=after, content=content)

    def user_stop(self, text: str) -> StopReason | None:
        return next((stop for token, stop in STOPS.items() if token in text), None)

    def reward(self, state: Shop, conversation: Conversation, stop: StopReason) -> Reward:
        criteria: Any = state.task.data["evaluation_criteria"]
        said = [m.text.lower().replace(",", "") for m in conversation if isinstance(m, AssistantMessage)]
        told = all(any(info.lower() in text for text in said) for info in criteria["communicate_info"])
        wanted = self.initial(state.task)
        for action in criteria["actions"]:
            wanted = self.apply(wanted, ToolCall(call_id="", **action)).state
        value = float(stop.terminated and told and state.orders == wanted.orders)
        return Reward(value=value, basis=("ALL",), parts={"ALL": value})

    def key(self, state: Shop) -> bytes:
        return digest(self.dump(state))

    def dump(self, state: Shop) -> bytes:
        return canonical_json([state.task.task_id, dict(state.task.data), dict(state.orders)]).encode()

    def load(self, data: bytes) -> Shop:
        task_id, record, orders = json.loads(data)
        return Shop(task=Task(task_id=task_id, domain="shop", split="train", data=record), orders=orders)
