"""A request in the Anthropic Messages protocol, from the common, OpenAI-shaped form. Pure.

Roles alternate in it: messages of one role in a row are one turn of content blocks, and tool results are the user's.
The protocol refuses an empty text block, so a message that says nothing is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

import orjson

from actors.chat_endpoint import Endpoint
from actors.chat_wire import ChatRequest, ToolChoice, WireMessage, WireTool
from rollouts.episode import JsonValue

FORM_TOOL = "reply_in_form"
# the tool that the model is made to call when its reply has to follow a schema
_FORM_TOOL_DOES = "Give the whole reply, in the form of this tool's input. Call it exactly once."
_TOOL_CHOICES: Mapping[ToolChoice, str] = {"auto": "auto", "none": "none", "required": "any"}
_CACHED = {"type": "ephemeral"}

Block = dict[str, object]


class Turn(TypedDict):
    role: str
    content: list[Block]


def request_body(request: ChatRequest, endpoint: Endpoint) -> dict[str, object]:
    temperature = endpoint.temperature if request.temperature is None else request.temperature
    messages = turns(request.messages)
    if request.cache_key and messages:
        messages[-1]["content"][-1]["cache_control"] = _CACHED
    body: dict[str, object] = {
        "model": endpoint.model,
        "max_tokens": request.max_tokens or endpoint.max_tokens,
        "messages": messages,
        **_tool_fields(request),
    }
    if system := _system(request.messages):
        body["system"] = [{"type": "text", "text": system, "cache_control": _CACHED}]
    if temperature is not None:
        body["temperature"] = temperature
    return body


def turns(messages: Sequence[WireMessage]) -> list[Turn]:
    """All but the system text; a turn's role differs from the one before it."""
    merged: list[Turn] = []
    for message in messages:
        blocks = _blocks(message)
        if not blocks:
            continue
        role = "assistant" if message["role"] == "assistant" else "user"
        if merged and merged[-1]["role"] == role:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": role, "content": blocks})
    return merged


def _system(messages: Sequence[WireMessage]) -> str:
    texts = (message["content"] for message in messages if message["role"] == "system")
    return "\n\n".join(text for text in texts if isinstance(text, str) and text.strip())


def _blocks(message: WireMessage) -> list[Block]:
    role, content = message["role"], message["content"]
    if role == "system":
        return []
    if role == "tool":
        return [{"type": "tool_result", "tool_use_id": message["tool_call_id"], "content": content}]
    assert content is None or isinstance(content, str), "content is text in the common form"
    blocks: list[Block] = [{"type": "text", "text": content}] if content and not content.isspace() else []
    calls = message.get("tool_calls")
    if calls:
        assert isinstance(calls, list), "tool_calls is a list in the common form"
        blocks += map(_tool_use, calls)
    return blocks


def _tool_use(call: JsonValue) -> Block:
    assert isinstance(call, dict), "a call is an object in the common form"
    function = call["function"]
    assert isinstance(function, dict), "a call has a function in the common form"
    arguments = function["arguments"]
    assert isinstance(arguments, str), "arguments are JSON text in the common form"
    given = orjson.Fragment(
        arguments or "{}"
    )  # spliced in as it is: the model's own order of keys, which its prompt cache knows
    return {"type": "tool_use", "id": call["id"], "name": function["name"], "input": given}


def _tool_fields(request: ChatRequest) -> dict[str, object]:
    tools = [_tool(tool) for tool in request.tools]
    choice = {"type": _TOOL_CHOICES[request.tool_choice]}
    if request.response_schema is not None:
        tools.append({"name": FORM_TOOL, "description": _FORM_TOOL_DOES, "input_schema": request.response_schema})
        choice = {"type": "tool", "name": FORM_TOOL}
    if not tools:
        return {}
    tools[-1]["cache_control"] = _CACHED
    return {"tools": tools, "tool_choice": choice}


def _tool(tool: WireTool) -> Block:
    function = tool["function"]
    assert isinstance(function, dict), "a tool has a function in the common form"
    return {
        "name": function["name"],
        "description": function["description"],
        "input_schema": function["parameters"],
    }
