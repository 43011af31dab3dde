"""The test server's other face: the Anthropic Messages protocol, translated to and from what the personalities speak.

It refuses what the real one refuses (roles that do not alternate, empty text, results that answer no call, no version header), so
that a request which passes here is one that the protocol allows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, TypeAlias

Body: TypeAlias = Mapping[str, Any]
VERSION = "2023-06-01"
STOPS = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}
CHOICES = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}


class Refused(ValueError):
    """What is wrong with the request."""


# -- what was asked ---------------------------------------------------------------------------------------------------


def common_request(body: Body, headers: Mapping[str, str]) -> dict[str, Any]:
    """The request as a chat-completions body."""
    _insist(headers.get("anthropic-version") == VERSION, "anthropic-version: header is required")
    _insist(isinstance(body.get("max_tokens"), int), "max_tokens: field required")
    _insist(0 <= body.get("temperature", 1.0) <= 1, "temperature: range: 0..1")
    _insist(not body.keys() - ALLOWED, f"{sorted(body.keys() - ALLOWED)}: Extra inputs are not permitted")
    system = "".join(block["text"] for block in body.get("system", []))
    told = [{"role": "system", "content": system}] if system else []
    asked = {"model": body["model"], "messages": told + _messages(body["messages"])}
    choice = body.get("tool_choice", {"type": "auto"})
    tools = body.get("tools", [])
    if choice["type"] == "tool":
        (form,) = [tool for tool in tools if tool["name"] == choice["name"]]
        asked["response_format"] = {"type": "json_schema", "json_schema": {"schema": form["input_schema"]}}
        tools = [tool for tool in tools if tool is not form]
    if tools:
        asked |= {"tools": [*map(_tool, tools)], "tool_choice": CHOICES[choice["type"]]}
    return asked


ALLOWED = {"model", "messages", "system", "max_tokens", "temperature", "tools", "tool_choice"}


def _insist(holds: bool, otherwise: str) -> None:
    if not holds:
        raise Refused(otherwise)


def _tool(tool: Body) -> dict[str, Any]:
    function = {"name": tool["name"], "description": tool["description"], "parameters": tool["input_schema"]}
    return {"type": "function", "function": function}


def _messages(turns: list[Body]) -> list[dict[str, Any]]:
    roles = [turn["role"] for turn in turns]
    _insist(roles[:1] == ["user"], "messages: first message must use the user role")
    _insist(all(a != b for a, b in pairwise(roles)), "messages: roles must alternate")
    messages: list[dict[str, Any]] = []
    open_calls: set[str] = set()
    for turn in turns:
        results = {block["tool_use_id"] for block in turn["content"] if block["type"] == "tool_result"}
        _insist(results == open_calls, "messages: tool_use ids without tool_result blocks, or the other way round")
        open_calls = {block["id"] for block in turn["content"] if block["type"] == "tool_use"}
        messages += _said(turn) if turn["role"] == "assistant" else [*map(_heard, turn["content"])]
    _insist(not open_calls, "messages: the last tool_use has no tool_result")
    return messages


def _said(turn: Body) -> list[dict[str, Any]]:
    texts = [_text(block) for block in turn["content"] if block["type"] == "text"]
    calls = [
        {
            "id": block["id"],
            "type": "function",
            "function": {"name": block["name"], "arguments": json.dumps(block["input"])},
        }
        for block in turn["content"]
        if block["type"] == "tool_use"
    ]
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    return [message | ({"tool_calls": calls} if calls else {})]


def _heard(block: Body) -> dict[str, Any]:
    if block["type"] == "tool_result":
        return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": block["content"]}
    return {"role": "user", "content": _text(block)}


def _text(block: Body) -> str:
    _insist(bool(block["text"].strip()), "messages: text content blocks must be non-empty")
    return str(block["text"])


# -- what is answered -------------------------------------------------------------------------------------------------


def answer(body: bytes, asked: Body) -> bytes:
    """What a personality answered, in this protocol; what is neither a completion nor an error stays as it is."""
    try:
        said = json.loads(body)
    except ValueError:
        return body
    match said:
        case {"choices": [{"message": message, "finish_reason": finish}]}:
            whole = _message(message, finish, asked) | {"usage": _usage(said.get("usage"))}
            return json.dumps({name: value for name, value in whole.items() if value is not None}).encode()
        case {"error": {"message": message, "code": code}}:
            return error(message, code)
        case _:
            return body


def error(message: str, kind: str | None) -> bytes:
    told = {"type": "error", "error": {"type": kind or "invalid_request_error", "message": message}}
    return json.dumps(told).encode()


def _message(message: Body, finish: str, asked: Body) -> dict[str, Any]:
    choice = asked.get("tool_choice", {})
    content = _thought(message) + _spoken(message, form=choice.get("name")) + _calls(message)
    return {"type": "message", "role": message["role"], "content": content, "stop_reason": STOPS[finish]}


def _thought(message: Body) -> list[dict[str, Any]]:
    thought = message.get("reasoning_content")
    return [{"type": "thinking", "thinking": thought, "signature": "signed"}] if thought else []


def _spoken(message: Body, *, form: str | None) -> list[dict[str, Any]]:
    content = message["content"]
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
    if form and parts:
        return [{"type": "tool_use", "id": "toolu_form", "name": form, "input": json.loads(parts[0]["text"])}]
    return parts


def _calls(message: Body) -> list[dict[str, Any]]:
    functions = [(call["id"], call["function"]) for call in message.get("tool_calls", [])]
    return [
        {"type": "tool_use", "id": call_id, "name": function["name"], "input": _input(function["arguments"])}
        for call_id, function in functions
    ]


def _input(arguments: str) -> Any:
    """Text that is no JSON cannot be said in this protocol; it arrives as a string, which is no object either."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def _usage(usage: Body | None) -> dict[str, int] | None:
    """A quarter of what was not read from the cache was put into it."""
    if usage is None:
        return None
    cached = usage["prompt_tokens_details"]["cached_tokens"]
    fresh = usage["prompt_tokens"] - cached
    return {
        "input_tokens": fresh - fresh // 4,
        "cache_creation_input_tokens": fresh // 4,
        "cache_read_input_tokens": cached,
        "output_tokens": usage["completion_tokens"],
    }
