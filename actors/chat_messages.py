"""One conversation as each side's model reads it. Pure.

Each side reads what was said, and its own tool calls with their results; to the user's model the roles are exchanged. The other
side's calls, their results and the text beside them never reach it, nor does the other side's briefing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

import orjson

from actors.chat_wire import WireMessage, WireTool
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Message,
    Side,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
    seen_by_actor,
    seen_by_user,
)

STARTER = "Hello, this is customer service. What can I do for you?"
# opens the simulated user's side: a chat model speaks only when spoken to
_REVIEW_NOTE = (
    "[Note from a reviewer, not from the customer. Your draft of this turn was held back: nobody has seen it and nothing "
    "was executed. The review said:\n{feedback}\nTake this turn again with the review in mind, and do not mention it.]"
)
_CORRECTION_NOTE = (
    "[Note from the system, not from the other side. Your last reply could not be used and nobody has seen it: {problem}. "
    "Give this turn's reply again, and do not mention this.]"
)
# both notes are user messages: many chat templates refuse a system message that is not the first


def actor_messages(
    conversation: Conversation, briefing: Briefing, *, feedback: Sequence[str] = ()
) -> list[WireMessage]:
    """The conversation under the domain policy; feedback on this turn's drafts comes last, oldest first, without the drafts."""
    messages = [_said("system", briefing.policy), *_as_read_by("actor", conversation)]
    if feedback:
        listed = "\n".join(f"- {text}" for text in feedback)
        messages.append(_said("user", _REVIEW_NOTE.format(feedback=listed)))
    return messages


def user_messages(conversation: Conversation, briefing: Briefing) -> list[WireMessage]:
    """The conversation from the other side: the model plays the customer, so what the customer said is the assistant's."""
    return [_said("system", briefing.user_instructions), _said("user", STARTER), *_as_read_by("user", conversation)]


def with_correction(messages: list[WireMessage], problem: str) -> list[WireMessage]:
    """The same question once more, after a reply that could not be used."""
    return [*messages, _said("user", _CORRECTION_NOTE.format(problem=problem))]


def wire_tools(tools: Sequence[ToolSpec]) -> list[WireTool]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in tools
    ]


def _as_read_by(side: Side, conversation: Conversation) -> Iterator[WireMessage]:
    seen = seen_by_actor(conversation) if side == "actor" else seen_by_user(conversation)
    return (_wired(side, message) for message in seen)


def _wired(reader: Side, message: Message) -> WireMessage:
    match message:
        case ToolMessage():
            return {"role": "tool", "tool_call_id": message.call_id, "content": message.content}
        case UserMessage() | AssistantMessage():
            own = isinstance(message, AssistantMessage) == (reader == "actor")
            said = _said("assistant" if own else "user", message.text)
            if not message.tool_calls:
                return said
            return said | {"content": message.text or None, "tool_calls": [*map(_wire_call, message.tool_calls)]}
        case _:
            assert_never(message)


def _said(role: str, text: str) -> WireMessage:
    return {"role": role, "content": text}


def _wire_call(call: ToolCall) -> WireMessage:
    """Arguments travel as JSON text, in the model's own order of keys."""
    arguments = orjson.dumps(call.arguments, default=dict).decode()
    return {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": arguments}}
