"""What every protocol's codec reads of a reply: nothing an endpoint sends is trusted to have the shape it should."""

from __future__ import annotations

import re

import orjson

from actors.chat_wire import MalformedCall, NoCompletion
from rollouts.episode import JsonValue, ToolCall

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# what the protocols accept; another name could not be sent back as history


def json_object(body: bytes) -> dict[str, JsonValue]:
    """NoCompletion when the body of a 200 is anything else."""
    try:
        completion = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NoCompletion(f"its body is no JSON ({error})") from None
    if not isinstance(completion, dict):
        raise NoCompletion(f"its body is a JSON {type(completion).__name__}, not an object")
    return completion


def tool_call(*, name: JsonValue, call_id: JsonValue, given: JsonValue) -> ToolCall | MalformedCall:
    """`given`: the arguments, as JSON or as JSON text; None or "" are no arguments."""
    raw = given if isinstance(given, str) else orjson.dumps(given).decode()
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        return MalformedCall(name=str(name), raw_arguments=raw, problem="its name is no tool's name")
    try:
        arguments = _arguments(given)
    except orjson.JSONDecodeError as error:
        return MalformedCall(name=name, raw_arguments=raw, problem=f"its arguments are no JSON ({error})")
    if not isinstance(arguments, dict):
        return MalformedCall(name=name, raw_arguments=raw, problem="its arguments are no JSON object")
    return ToolCall(call_id=call_id if isinstance(call_id, str) else "", name=name, arguments=arguments)


def _arguments(given: JsonValue) -> object:
    match given:
        case None:
            return {}
        case str():
            return orjson.loads(given) if given.strip() else {}
        case _:
            return given


def count(value: JsonValue) -> int:
    """A number of tokens; 0 for what is none."""
    return value if type(value) is int and value > 0 else 0
