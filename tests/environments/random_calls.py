"""Random calls, from sensible to senseless, made of what the gold sequences hold."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rollouts.episode import JsonValue, ToolCall, ToolSpec
from tests.environments.plans import call

GARBAGE: Sequence[Any] = (
    *(None, True, 0, -1, 2.5, 10**20, float("inf"), float("nan"), "", " ", "x", "\ud800", "\x00", "9" * 50),
    *([], {}, [None], ["x", 3], [[]], [{}], {"": ""}, {"\x00": "User", "a": 1}, {"flight_number": "x"}),
)


class RandomCalls:
    """An endless supply of calls to `tools`, varied from the `gold` ones."""

    def __init__(self, chance: random.Random, *, gold: Sequence[ToolCall], tools: Sequence[ToolSpec]) -> None:
        self._chance = chance
        self._gold = gold
        self._parameters = {tool.name: list(_properties(tool)) for tool in tools}
        self._pool = _values_by_parameter(gold)
        self._kinds: Sequence[tuple[int, Callable[[], ToolCall]]] = (
            (45, self._as_planned),
            (20, self._another_value),
            (10, self._another_value_inside),
            (10, self._garbage),
            (5, self._one_missing),
            (5, self._one_too_many),
            (13, self._all_random),
            (2, self._unknown),
        )

    def draw(self) -> ToolCall:
        weights, kinds = zip(*self._kinds, strict=True)
        kind: Callable[[], ToolCall] = self._chance.choices(kinds, weights)[0]
        return kind()

    def _as_planned(self) -> ToolCall:
        return self._chance.choice(self._gold)

    def _another_value(self) -> ToolCall:
        return self._with(self._some_value)

    def _another_value_inside(self) -> ToolCall:
        """Where an argument is JSON, something else in it; otherwise as planned."""
        gold = self._as_planned()
        held = _inside(gold.arguments.get("arguments"))
        if not held:
            return gold
        changed = self._chance.choice(list(held))
        held[changed] = self._chance.choice([*self._pool.get(changed, []), *GARBAGE])
        return call(gold.name, {**gold.arguments, "arguments": json.dumps(held)})

    def _garbage(self) -> ToolCall:
        return self._with(lambda _: self._chance.choice(GARBAGE))

    def _one_missing(self) -> ToolCall:
        gold = self._as_planned()
        missing = self._chance.choice([*gold.arguments, ""])
        return call(gold.name, {name: value for name, value in gold.arguments.items() if name != missing})

    def _one_too_many(self) -> ToolCall:
        gold = self._as_planned()
        return call(gold.name, {**gold.arguments, self._chance.choice(["self", "db", "note"]): "x"})

    def _all_random(self) -> ToolCall:
        name = self._chance.choice(list(self._parameters))
        return call(name, {parameter: self._some_value(parameter) for parameter in self._parameters[name]})

    def _unknown(self) -> ToolCall:
        return call(self._chance.choice(["_get_user", "initialize", "model_dump", "__init__", ""]), {})

    def _with(self, value: Callable[[str], JsonValue]) -> ToolCall:
        gold = self._as_planned()
        if not gold.arguments:
            return gold
        changed = self._chance.choice(list(gold.arguments))
        return call(gold.name, {**gold.arguments, changed: value(changed)})

    def _some_value(self, parameter: str) -> JsonValue:
        value: JsonValue = self._chance.choice(self._pool.get(parameter, GARBAGE))
        return value


def _properties(tool: ToolSpec) -> Mapping[str, Any]:
    properties: Any = tool.parameters["properties"]
    return dict(properties)


def _values_by_parameter(gold: Sequence[ToolCall]) -> Mapping[str, list[JsonValue]]:
    """Also those inside the arguments: a flight's number and date, a passenger's name."""
    pool: dict[str, list[JsonValue]] = {}
    waiting: list[Any] = [made.arguments for made in gold]
    while waiting:
        for name, value in waiting.pop().items():
            pool.setdefault(name, []).append(value)
            if isinstance(value, list):
                waiting.extend(item for item in value if isinstance(item, Mapping))
            if name == "arguments":
                waiting.append(_inside(value))
    return pool


def _inside(text: JsonValue) -> dict[str, JsonValue]:
    """The arguments that an argument is the JSON of."""
    try:
        held = json.loads(text) if isinstance(text, str) else {}
    except json.JSONDecodeError:
        held = {}
    return held if isinstance(held, dict) else {}
