"""Small requests and conversations that the chat tests share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.chat_endpoint import Endpoint
from actors.chat_wire import ChatRequest, WireTool
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    ToolCall,
    ToolMessage,
    ToolSpec,
    Usage,
    UserMessage,
)


def endpoint(base_url: str, model: str, **fields: Any) -> Endpoint:
    """A keyless endpoint in front of a model; `fields` say otherwise."""
    settings: dict[str, Any] = {
        "api_key_env": "",
        "temperature": 1.0,
        "max_tokens": 1024,
        "timeout_s": 30.0,
        "max_retries": 3,
        "max_connections": 64,
        "price": None,
    }
    return Endpoint(base_url=base_url, model=model, **(settings | fields))


HI = ChatRequest(messages=[{"role": "user", "content": "Hi"}], tools=[])
SCHEMA: WireTool = {
    "type": "object",
    "properties": {
        "verdict": {"type": "string", "enum": ["approve", "revise"]},
        "reasons": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["verdict", "reasons"],
    "additionalProperties": False,
}
GET_ORDER = ToolSpec(
    name="get_order",
    description="Look an order up.",
    parameters={"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    kind="read",
)
BRIEFING = Briefing(policy="POLICY: be kind.", tools=(GET_ORDER,), user_instructions="SCENARIO: your order is late.")
LOOKED_UP: Conversation = (
    UserMessage(text="Where is #W1?"),
    AssistantMessage(
        text="THOUGHT beside a call",
        tool_calls=(ToolCall(call_id="call_0", name="get_order", arguments={"order_id": "#W1", "full": True}),),
    ),
    ToolMessage(call_id="call_0", name="get_order", content="RESULT shipped"),
    AssistantMessage(text="It was shipped."),
    UserMessage(text="When?"),
)


def saying(text: str) -> ChatRequest:
    return replace(HI, messages=[{"role": "user", "content": text}])


def counts_of(usage: Usage) -> Usage:
    """The usage without its replies, whose times nobody can know beforehand; there is one for each call, and they add up."""
    replies = usage.replies
    assert len(replies) == usage.calls
    assert sum(reply.prompt_tokens for reply in replies) == usage.prompt_tokens
    assert sum(reply.completion_tokens for reply in replies) == usage.completion_tokens
    assert sum(reply.cached_tokens for reply in replies) == usage.cached_tokens
    costs = [reply.cost_usd for reply in replies]
    assert usage.cost_usd == (None if None in costs else pytest.approx(sum(cost or 0.0 for cost in costs)))
    return replace(usage, replies=())
