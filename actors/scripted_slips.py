"""Plausible wrong calls: other ids that the conversation has shown, altered digits, a neighbouring tool.

A slip is never a gold call of the task, and which slips are possible is a function of the plan and of the ids seen.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import islice
from typing import NamedTuple, TypeAlias

from actors.scripted_plan import Call, Plan, parameters
from rollouts.episode import Conversation, JsonValue, ToolMessage

NUM_SEEN = 2
# slips with an id from the conversation that are possible at one call

_ID = re.compile(
    r"(?P<order>#W\d+)"
    r"|\b(?P<payment>(?:credit_card|gift_card|paypal|certificate)_\d+)\b"
    r"|\b(?P<item>\d{10})\b"
    r"|\b(?P<flight>HAT\d{3})\b"
    r"|\b(?P<reservation>(?=[A-Z]*\d)(?=\d*[A-Z])[A-Z\d]{6})\b"
)
_LAST_DIGIT = re.compile(r"\d(?=\D*$)")

Path: TypeAlias = tuple[str | int, ...]
# where a value stands inside a call's arguments


class SeenId(NamedTuple):
    kind: str
    text: str


def shown_ids(conversation: Conversation) -> tuple[frozenset[SeenId], ...]:
    """The ids in each of the tools' answers so far."""
    return tuple(
        _ids_in(message.content)
        for message in conversation
        if isinstance(message, ToolMessage) and message.side == "actor" and not message.is_error
    )


@lru_cache(maxsize=1024)
def _ids_in(content: str) -> frozenset[SeenId]:
    """Cached: the same few answers come back in every episode of a task."""
    return frozenset(SeenId(match.lastgroup or "", match[0]) for match in _ID.finditer(content))


class Slips:
    """The wrong calls that are possible in place of each item of a plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._leaves = {index: tuple(_leaves(plan.items[index].call.arguments)) for index in plan.writes}
        self.seen = lru_cache(maxsize=256)(self._seen)
        # an actor asks for the same few again and again

    def _seen(self, index: int, shown: tuple[frozenset[SeenId], ...]) -> tuple[Call, ...]:
        """Slips at a gold write with an id that the conversation has shown: those of lowest digest.

        So the slips after more has been shown are a function of these and of what was added.
        """
        call = self._plan.items[index].call
        used = {value for _, value in self._leaves[index]}
        seen = [identifier for identifier in frozenset().union(*shown) if identifier.text not in used]
        candidates: list[tuple[int, Path, str]] = []
        for path, value in self._leaves[index]:
            kind, start = _id_kind(value), zlib.crc32(f"{index}{path}".encode())
            of_kind = [identifier.text for identifier in seen if kind and identifier.kind == kind]
            candidates += [(zlib.crc32(text.encode(), start), path, text) for text in of_kind]
        wrong = (_replaced(call, path, text) for _, path, text in sorted(candidates))
        return tuple(islice((slip for slip in wrong if not _is_gold(self._plan, slip)), NUM_SEEN))

    @cached_property
    def altered(self) -> tuple[Call | None, ...]:
        """For each item: the call with one number changed; None if it has no number or the change makes it gold."""
        return tuple(_altered(self._plan, item.call) for item in self._plan.items)

    @cached_property
    def neighbouring(self) -> tuple[Call | None, ...]:
        """For each item: a call of the write tool whose name is most like its own; None if that makes it gold."""
        return tuple(_neighbouring(self._plan, item.call) for item in self._plan.items)


def _altered(plan: Plan, call: Call) -> Call | None:
    numbers = [(path, value) for path, value in _leaves(call.arguments) if _altered_value(value) != value]
    if not numbers:
        return None
    path, value = numbers[zlib.crc32(repr(call).encode()) % len(numbers)]
    wrong = _replaced(call, path, _altered_value(value))
    return None if _is_gold(plan, wrong) else wrong


def _neighbouring(plan: Plan, call: Call) -> Call | None:
    """With what arguments can be had, so that a tool may refuse it."""
    words = set(call.name.split("_"))

    def distance(name: str) -> tuple[float, int, str]:
        others = set(name.split("_"))
        wanted = parameters(plan.tools[name])
        return -len(words & others) / len(words | others), len(wanted) - len(_filled(plan, wanted, call)), name

    names = [name for name, tool in plan.tools.items() if tool.kind == "write" and name != call.name]
    if not names:
        return None
    name = min(names, key=distance)
    wrong = Call(name=name, arguments=_filled(plan, parameters(plan.tools[name]), call))
    return None if _is_gold(plan, wrong) else wrong


def unwarranted_write(plan: Plan) -> Call | None:
    """A write for a task that wants none, with the arguments of its gold reads; None where they do not suffice."""
    if plan.writes:
        return None
    for name, tool in plan.tools.items():
        wanted = parameters(tool)
        for item in reversed(plan.items):
            arguments = _filled(plan, wanted, item.call)
            if tool.kind == "write" and wanted and len(arguments) == len(wanted):
                return Call(name=name, arguments=arguments)
    return None


def _filled(plan: Plan, wanted: Iterable[str], first: Call) -> dict[str, JsonValue]:
    """Arguments of the wanted names: the first call's own, else any gold call's, else what nobody could check."""
    known: dict[str, JsonValue] = {"reason": "no longer needed"}
    for item in plan.items:
        known |= item.call.arguments
    known |= first.arguments
    if "item_ids" in first.arguments and "new_item_ids" not in first.arguments:
        known["new_item_ids"] = first.arguments["item_ids"]
    return {name: known[name] for name in wanted if name in known}


def _is_gold(plan: Plan, call: Call) -> bool:
    return plan.find(call, start=0) is not None


@lru_cache(maxsize=4096)
def _id_kind(value: str | int | float) -> str:
    match = _ID.fullmatch(str(value))
    return (match.lastgroup or "") if match else ""


def _altered_value(value: str | int | float) -> str | int | float:
    if isinstance(value, str):
        return _LAST_DIGIT.sub(lambda match: str((int(match[0]) + 3) % 10), value)
    return value + 1


def _leaves(value: JsonValue | Mapping[str, JsonValue], path: Path = ()) -> Iterator[tuple[Path, str | int | float]]:
    match value:
        case bool() | None:
            return
        case str() | int() | float():
            yield path, value
        case list():
            for index, part in enumerate(value):
                yield from _leaves(part, (*path, index))
        case _:
            for name, part in value.items():
                yield from _leaves(part, (*path, name))


def _replaced(call: Call, path: Path, leaf: str | int | float) -> Call:
    def rebuilt(value: JsonValue, rest: Path) -> JsonValue:
        if not rest:
            return leaf
        if isinstance(value, list):
            return [rebuilt(part, rest[1:]) if index == rest[0] else part for index, part in enumerate(value)]
        assert isinstance(value, dict), "a path leads through lists and objects only"
        return {name: rebuilt(part, rest[1:]) if name == rest[0] else part for name, part in value.items()}

    arguments = {name: rebuilt(part, path[1:]) if name == path[0] else part for name, part in call.arguments.items()}
    return Call(name=call.name, arguments=arguments)
