"""A small database and a tool that does everything to it that a Python program can do to dictionaries and lists."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from actors.environments.tau_bench.domains import Domain
from actors.environments.tau_bench.overlay import Image, Overlay
from actors.environments.tau_bench.toolbox import REFUSALS, Toolbox
from actors.environments.tau_bench.views import Views
from rollouts.episode import ToolCall

TABLES: Mapping[str, Mapping[str, Any]] = {
    "orders": {
        key: {
            "first": 0,
            "status": "pending",
            "items": [{"id": key, "price": 1.5}, {"id": "x", "price": 2}],
            "tags": ["a", "b"],
        }
        for key in ("o1", "o2", "o3")
    },
    "users": {
        key: {"first": 0, "name": {"last": "Li"}, "funds": {"card": {"amount": 3}}, "orders": ["o1"]}
        for key in ("u1", "u2")
    },
    "goods": {key: {"first": 0, "variants": {"v": {"price": 1, "options": {"color": "red"}}}} for key in ("g1", "g2")},
}
DOMAIN = Domain(
    name="hostile",
    tables=tuple(TABLES),
    unwritten=frozenset({"goods"}),  # which is not true
    splits={},
    kinds={"peek": "read"},  # nor is this
)
Meddling: TypeAlias = Callable[[dict[str, Any], str, Any], object]
ANYWHERE: Mapping[str, Meddling] = {
    "assign a record": lambda table, key, value: table.__setitem__(key, value),
    "assign a part": lambda table, key, value: table[key].__setitem__("status", value),
    "assign what is there": lambda table, key, _: table[key].update(copy.copy(table[key])),
    "assign through get": lambda table, key, value: table.get(key, {}).__setitem__("status", value),
    "assign in walked records": lambda table, key, value: [
        record.__setitem__("status", value) for name, record in table.items() if name == key
    ],
    "reorder a record": lambda table, key, _: table[key].__setitem__("first", table[key].pop("first")),
    "delete a record": lambda table, key, _: table.__delitem__(key),
    "pop and put back": lambda table, key, _: table.__setitem__(key, table.pop(key)),
    "take the last": lambda table, _, __: table.popitem(),
    "set a default": lambda table, key, value: table.setdefault(key, {}).__setitem__("status", value),
    "update the table": lambda table, key, value: table.update({key: {"status": value}}),
    "merge into the table": lambda table, key, value: table.__ior__({key: value}),
    "empty the table": lambda table, _, __: table.clear(),
    "copy a record": lambda table, key, value: copy.copy(table[key]).update(status=value),
    "copy deeply": lambda table, key, value: table.__setitem__("n2", copy.deepcopy(table[key]) | {"status": value}),
    "copy the table": lambda table, key, value: copy.deepcopy(table)[key].update(status=value),
    "change the argument": lambda table, key, value: value.append(table[key]),
    "raise": lambda table, key, _: table[f"no {key}"],
}
IN_ORDERS: Mapping[str, Meddling] = {
    "assign in a list": lambda orders, key, value: orders[key]["items"][0].__setitem__("price", value),
    "assign in a walked list": lambda orders, key, value: [
        item.__setitem__("price", value) for item in orders[key]["items"] if item["id"] == "x"
    ],
    "pop from a list": lambda orders, key, value: orders[key]["items"].pop().__setitem__("price", value),
    "assign in a slice": lambda orders, key, value: [item.update(p=value) for item in orders[key]["items"][1:]],
    "append": lambda orders, key, value: orders[key]["tags"].append(value),
    "extend": lambda orders, key, value: orders[key]["tags"].extend([value, value]),
    "add in place": lambda orders, key, value: orders[key]["tags"].__iadd__([value]),
    "multiply in place": lambda orders, key, _: orders[key]["tags"].__imul__(2),
    "insert": lambda orders, key, value: orders[key]["tags"].insert(0, value),
    "remove": lambda orders, key, _: orders[key]["tags"].remove("b"),
    "delete from a list": lambda orders, key, _: orders[key]["tags"].__delitem__(0),
    "empty a list": lambda orders, key, _: orders[key]["tags"].clear(),
    "sort": lambda orders, key, _: orders[key]["tags"].sort(reverse=True),
    "reverse": lambda orders, key, _: orders[key]["tags"].reverse(),
    "order parts anew": lambda orders, key, _: orders.__setitem__(key, dict(sorted(orders[key].items(), reverse=True))),
    "rename a part": lambda orders, key, _: orders[key]["items"][1].__setitem__(
        "cost", orders[key]["items"][1].pop("price")
    ),
    "another type of number": lambda orders, key, _: orders[key]["items"][1].__setitem__("price", 2.0),
    "the same number": lambda orders, key, _: orders[key]["items"][1].__setitem__("price", 4 // 2),
}
MEDDLING = {**ANYWHERE, **IN_ORDERS}
Step: TypeAlias = tuple[str, str, str, Any]
# what to do, the table, the key, a value


def steps(table: str, key: str, value: Any) -> list[Step]:
    return [(name, table, key, value) for name in (MEDDLING if table == "orders" else ANYWHERE)]


class Meddle:
    """Does the steps in order, and says what it saw and what it sees."""

    @staticmethod
    def invoke(data: dict[str, Any], steps: list[list[Any]]) -> str:
        before = json.dumps(data)
        for name, table, key, value in steps:
            MEDDLING[name](data[table], key, value)
        seen = {
            table: [list(records), len(records), "u1" in records, list(records.items())[-1:]]
            for table, records in data.items()
        }
        return f"{before} {json.dumps(seen)} {json.dumps(data)}"

    @staticmethod
    def get_info() -> dict[str, Any]:
        return {"function": {"name": "meddle", "description": "Anything.", "parameters": {"type": "object"}}}


class Both:
    """The tool on our states, and on plain dictionaries."""

    def __init__(self) -> None:
        self.image = Image(TABLES)
        self.toolbox = Toolbox(DOMAIN, image=self.image, tools={"meddle": Meddle, "peek": Meddle})
        self._views = Views(self.image, unwritten=frozenset())

    def ours(self, overlay: Overlay, call: ToolCall) -> tuple[Overlay, str]:
        return self.toolbox.call(call, overlay)

    def plain(self, data: dict[str, Any], call: ToolCall) -> tuple[dict[str, Any], str]:
        """As upstream's `Env.step` does it, on a copy. Parts that records share are shared no longer after the call."""
        own = json.loads(json.dumps(data))
        arguments = json.loads(json.dumps(call.arguments))
        try:
            answer = Meddle.invoke(own, **arguments)
        except REFUSALS as error:
            answer = f"Error: {error}"
        return json.loads(json.dumps(own)), answer

    def whole(self, overlay: Overlay) -> dict[str, Any]:
        return self._views.whole_copy(overlay)
