"""Conversations and tools as chat templates take them: TRL's conversational shape, tool calls with objects as arguments.

Arguments and tools are of Arrow's type `arrow.json`, which `datasets` (4.7 and later) reads as objects: as structs, every call
would have the keys of all others, with null in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import pyarrow as pa

from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    Message,
    ToolCall,
    ToolMessage,
    UserMessage,
    seen_by_actor,
)
from storage.messages import clean_text, dump_json

JSON = pa.json_(pa.string())
_CALL = pa.struct(
    [
        pa.field("type", pa.string(), nullable=False),
        pa.field(
            "function",
            pa.struct([pa.field("name", pa.string(), nullable=False), pa.field("arguments", JSON, nullable=False)]),
            nullable=False,
        ),
    ]
)
CHAT = pa.list_(
    pa.struct(
        [
            pa.field("role", pa.string(), nullable=False),
            pa.field("content", pa.string(), nullable=False),
            pa.field("tool_calls", pa.list_(_CALL)),
            pa.field("name", pa.string()),
        ]
    )
)
TOOLS = pa.list_(JSON)

ChatRow = dict[str, Any]


def prompt_rows(briefing: Briefing, conversation: Conversation) -> list[ChatRow]:
    """What the actor was shown: its policy as the system message, then everything that it has seen."""
    system = _row("system", briefing.policy)
    return [system, *(_message(message) for message in seen_by_actor(conversation))]


def answer_row(action: Draft | AssistantMessage) -> ChatRow:
    return _row("assistant", action.text, calls=action.tool_calls)


def tool_rows(briefing: Briefing) -> list[str]:
    """JSON Schemas as the OpenAI protocol has them."""
    return [
        dump_json(
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description, "parameters": tool.parameters},
            }
        )
        for tool in briefing.tools
    ]


def text_length(rows: Iterable[ChatRow]) -> int:
    calls = [call["function"] for row in rows for call in row["tool_calls"] or ()]
    return sum(len(row["content"]) for row in rows) + sum(len(call["name"]) + len(call["arguments"]) for call in calls)


def _message(message: Message) -> ChatRow:
    match message:
        case UserMessage():
            return _row("user", message.text)
        case AssistantMessage():
            return answer_row(message)
        case ToolMessage():
            return _row("tool", message.content, name=message.name)
        case _:
            assert_never(message)


def _row(role: str, content: str, *, calls: Iterable[ToolCall] = (), name: str | None = None) -> ChatRow:
    made = [{"type": "function", "function": {"name": c.name, "arguments": dump_json(c.arguments)}} for c in calls]
    return {"role": role, "content": clean_text(content), "tool_calls": made or None, "name": name}
