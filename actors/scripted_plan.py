"""A task's gold plan, and the stand-ins' words for it.

Everything a scripted actor or user says is a function of the plan, so that whoever reads the conversation later can tell
what was said from the text alone. Nothing here knows of chance or of mistakes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias, cast

from rollouts.episode import Briefing, JsonValue, Task, ToolKind, ToolSpec
from rollouts.identity import canonical_json

# -- words ------------------------------------------------------------------------------------------------------------

ASK = "Shall I go ahead? (yes/no)"
CHECKED = "I have checked it again. "
ANYTHING_ELSE = "Is there anything else I can help you with?"
HANDOVER = "I am transferring you to a human agent now. Please hold on."
GOODBYE = "Everything is settled then. Thank you for contacting us, and have a nice day!"


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    name: str
    arguments: Mapping[str, JsonValue]


Move: TypeAlias = Say | Call


def proposal(call: Call) -> str:
    """The question before a write: it names the tool and every argument, so that the user can object."""
    details = "\n".join(f"- {_words(name)}: {_shown(value)}" for name, value in call.arguments.items())
    return f"Before I {_words(call.name)}, let me make sure that I have it right:\n{details}\n{ASK}"


def closing(info: Sequence[str]) -> str:
    """The last message: everything the user asked to be told."""
    told = f"Here is what you asked about: {'; '.join(info)}. " if info else "That is all done. "
    return told + ANYTHING_ELSE


def _words(name: str) -> str:
    return name.replace("_", " ")


def _shown(value: JsonValue) -> str:
    match value:
        case str():
            return value
        case list() if all(isinstance(part, str) for part in value):
            return ", ".join(map(str, value))
        case _:
            return canonical_json({"": value})[4:-1]


# -- plan -------------------------------------------------------------------------------------------------------------

ItemKind: TypeAlias = Literal["read", "write", "transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One gold call."""

    call: Call
    kind: ItemKind
    # what changes nothing is a read
    proposal: str
    # the question asked before it; empty unless it is a write


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the task wants done, in order, and what it wants the user to be told."""

    task_id: str
    items: tuple[Item, ...]
    info: tuple[str, ...]
    # the texts that some message of the actor must contain
    tools: Mapping[str, ToolSpec]

    @cached_property
    def writes(self) -> tuple[int, ...]:
        return tuple(index for index, item in enumerate(self.items) if item.kind == "write")

    @cached_property
    def proposals(self) -> Mapping[str, tuple[int, ...]]:
        """Text of a right proposal → the items it may be for (equal gold calls share their text)."""
        found: dict[str, tuple[int, ...]] = {}
        for index in self.writes:
            for prefix in ("", CHECKED):
                text = prefix + self.items[index].proposal
                found[text] = (*found.get(text, ()), index)
        return found

    @cached_property
    def closing(self) -> str:
        return closing(self.info)

    @cached_property
    def transfer(self) -> Call | None:
        """A call that hands the user to a human; None where the domain has none."""
        for tool in self.tools.values():
            if tool.kind == "transfer":
                return Call(name=tool.name, arguments=dict.fromkeys(parameters(tool), "The user needs help."))
        return None

    def kind(self, name: str) -> ToolKind:
        """The kind of a tool by name; what the briefing does not offer counts as "other"."""
        tool = self.tools.get(name)
        return tool.kind if tool else "other"

    def find(self, call: Call, *, start: int) -> int | None:
        """The first item from `start` on that is this very call."""
        for index in range(start, len(self.items)):
            gold = self.items[index].call
            if gold.name == call.name and gold.arguments == call.arguments:
                return index
        return None


def gold_plan(task: Task, briefing: Briefing) -> Plan:
    """Read the plan out of a τ² task record (`evaluation_criteria`: `actions`, `communicate_info`)."""
    criteria = _mapping(task.data.get("evaluation_criteria"))
    tools = {tool.name: tool for tool in briefing.tools}
    actions = cast("list[Mapping[str, JsonValue]]", criteria.get("actions") or [])
    info = cast("list[str]", criteria.get("communicate_info") or [])
    return Plan(
        task_id=task.task_id,
        items=tuple(_item(action, tools) for action in actions if action.get("requestor") != "user"),
        info=tuple(info),
        tools=tools,
    )


def _item(action: Mapping[str, JsonValue], tools: Mapping[str, ToolSpec]) -> Item:
    call = Call(name=str(action["name"]), arguments=_mapping(action.get("arguments")))
    kind = tools[call.name].kind if call.name in tools else "other"
    match kind:
        case "write":
            return Item(call=call, kind="write", proposal=proposal(call))
        case "transfer":
            return Item(call=call, kind="transfer", proposal="")
        case _:
            return Item(call=call, kind="read", proposal="")


def parameters(tool: ToolSpec) -> list[str]:
    """Names of the tool's required parameters (of all, where the schema does not say)."""
    properties = _mapping(tool.parameters.get("properties"))
    required = tool.parameters.get("required")
    return [str(name) for name in required] if isinstance(required, list) else list(properties)


# -- scenario ---------------------------------------------------------------------------------------------------------

_FIRST_PERSON = {
    "you are": "I am",
    "you were": "I was",
    "you're": "I'm",
    "you": "I",
    "your": "my",
    "yours": "mine",
    "yourself": "myself",
}
_SECOND_PERSON = re.compile(r"\b(you are|you were|you're|yourself|yours|your|you)\b", re.IGNORECASE)


def opening_parts(task: Task) -> tuple[str, str]:
    """The user's reason for calling and what they know of themselves, in the first person."""
    instructions = _mapping(task.data.get("user_scenario")).get("instructions")
    if not isinstance(instructions, Mapping):
        return _first_person(str(instructions or "I need some help.")), ""
    reason = str(instructions.get("reason_for_call") or "I need some help.")
    return _first_person(reason), _first_person(str(instructions.get("known_info") or ""))


def _first_person(text: str) -> str:
    return _SECOND_PERSON.sub(lambda match: _FIRST_PERSON[match[0].lower()], text).strip()


def _mapping(value: JsonValue | Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    return value if isinstance(value, Mapping) else {}
