"""The tools of both sides of the known-values world, and what a call of each does to a state.

The actor's calls change what has been chosen; the user's decide, with the chance drawn by the user's seed, what came of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.environments.known_values.course import (
    Course,
    Refusal,
    acted,
    answered,
    concluded,
    repair_begun,
    repair_checked,
    transferred,
)
from actors.environments.known_values.plan import LETTERS, Plan
from actors.environments.known_values.words import line
from rollouts.episode import JsonValue, Side, StopReason, Task, ToolCall, ToolKind, ToolSpec
from rollouts.protocols import Transition


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KnownState:
    task: Task
    task_key: bytes
    # 16 bytes: identity of the task's record
    plan: Plan
    course: Course
    choices: str
    # the letters of the options taken so far


INTEGER: dict[str, JsonValue] = {"type": "integer"}
OPTION: dict[str, JsonValue] = {"type": "string", "enum": list(LETTERS)}
BOOLEAN: dict[str, JsonValue] = {"type": "boolean"}
INTEGERS: dict[str, JsonValue] = {"type": "array", "items": INTEGER}
TYPES: Mapping[str, type] = {"integer": int, "string": str, "boolean": bool, "array": list}


def _tool(name: str, description: str, kind: ToolKind, **properties: JsonValue) -> ToolSpec:
    parameters: dict[str, JsonValue] = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return ToolSpec(name=name, description=description, parameters=parameters, kind=kind)


ACTOR_TOOLS = (
    _tool("look_up", "Pass a stage that reads.", "read", stage=INTEGER, option=OPTION),
    _tool("act", "Pass a stage that writes.", "write", stage=INTEGER, option=OPTION),
    _tool("repair", "Try to repair what the user says is wrong; then ask whether it works now.", "write"),
    _tool("review", "See the options taken so far.", "read"),
    _tool("transfer_to_human", "Give up and hand the user over.", "transfer"),
)
USER_TOOLS = (
    _tool(
        "take_note",
        "Take in what was said for a stage, and which effects since your last note turned into their opposite.",
        "write",
        stage=INTEGER,
        option=OPTION,
        turned=INTEGERS,
    ),
    _tool("check_repair", "Say whether the repair worked.", "write", worked=BOOLEAN),
    _tool("conclude", "End, forgiving so many errors.", "write", turned=INTEGERS, tolerance=INTEGER),
)
_TOOLS: Mapping[Side, Mapping[str, ToolSpec]] = {
    "actor": {tool.name: tool for tool in ACTOR_TOOLS},
    "user": {tool.name: tool for tool in USER_TOOLS},
}


def apply_call(state: KnownState, call: ToolCall, side: Side) -> Transition[KnownState]:
    """`rollouts.protocols.Environment.apply`."""
    try:
        _check_arguments(call, _TOOLS[side])
        if call.name == "review":
            return Transition(state=state, content=_reviewed(state))
        course = _moved(state.plan, state.course, call)
    except Refusal as refusal:
        return Transition(state=state, content=f"Refused: {refusal}.", is_error=True)
    after = KnownState(
        task=state.task,
        task_key=state.task_key,
        plan=state.plan,
        course=course,
        choices=state.choices + str(call.arguments.get("option", "")),
    )
    stop = StopReason.TRANSFER if course.end == "transferred" else None
    return Transition(state=after, content=line(course), stop=stop)


def _moved(plan: Plan, course: Course, call: ToolCall) -> Course:
    given: Mapping[str, Any] = call.arguments
    match call.name:
        case "look_up":
            return acted(plan, course, "read", stage=given["stage"], option=LETTERS.index(given["option"]))
        case "act":
            return acted(plan, course, "write", stage=given["stage"], option=LETTERS.index(given["option"]))
        case "repair":
            return repair_begun(course)
        case "transfer_to_human":
            return transferred(course)
        case "take_note":
            option = LETTERS.index(given["option"])
            return answered(plan, course, stage=given["stage"], option=option, turned=given["turned"])
        case "check_repair":
            return repair_checked(course, worked=given["worked"])
        case "conclude":
            return concluded(plan, course, turned=given["turned"], tolerance=given["tolerance"])
    raise AssertionError(f"{call.name} has a description and no move")


def _reviewed(state: KnownState) -> str:
    return f"Options taken: {', '.join(state.choices) or 'none'}. {line(state.course)}"


def _check_arguments(call: ToolCall, tools: Mapping[str, ToolSpec]) -> None:
    """Refusal unless there is such a tool and the arguments are of its schema."""
    if call.name not in tools:
        raise Refusal(f"there is no tool {call.name!r}; there are {', '.join(tools)}")
    properties: Any = tools[call.name].parameters["properties"]
    if call.arguments.keys() != properties.keys():
        raise Refusal(f"{call.name} takes the arguments {list(properties)}, not {list(call.arguments)}")
    for name, schema in properties.items():
        if not _fits(call.arguments[name], schema):
            raise Refusal(f"{name} must be of {dict(schema)}, not {call.arguments[name]!r}")


def _fits(value: JsonValue, schema: Mapping[str, Any]) -> bool:
    # `type`, not isinstance: true is no number
    if type(value) is not TYPES[schema["type"]] or ("enum" in schema and value not in schema["enum"]):
        return False
    return not isinstance(value, list) or all(_fits(item, schema["items"]) for item in value)
