"""One conversation as each side's model reads it. Pure.

Each side reads what was said, and its own tool calls with their results; to the user's model the roles are exchanged. The other
side's calls, their results and the text beside them never reach it, nor does the other side's briefing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import assert_never

import orjson

from actors.chat_wire import WireMessage, WireTool
from labeling.by_identity import ByIdentity
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
from rollouts.identity import digest

STARTER = "Hello, this is customer service. What can I do for you?"
# opens the simulated user's side: a chat model speaks only when spoken to
_REVIEW_NOTE = (
    "[Note from a reviewer, not from the customer. What is said of a draft of yours below was said when it was held back: nobody "
    "has seen that draft and nothing of it was executed. Unless it names an earlier turn, it was your draft of this turn. "
    "The review said:\n{feedback}\nTake this turn with the review in mind, and do not mention it.]"
)
_CORRECTION_NOTE = (
    "[Note from the system, not from the other side. Your last reply could not be used and nobody has seen it: {problem}. "
    "Give this turn's reply again, and do not mention this.]"
)
# both notes are user messages: many chat templates refuse a system message that is not the first


def actor_messages(
    conversation: Conversation, briefing: Briefing, *, feedback: Sequence[str] = ()
) -> list[WireMessage]:
    """The conversation under the domain policy; feedback on drafts comes last, oldest first, without the drafts."""
    messages = [_said("system", briefing.policy), *_as_read_by("actor", conversation)]
    if feedback:
        messages.append(review_note(feedback))
    return messages


def review_note(feedback: Sequence[str]) -> WireMessage:
    """What the reviewer said of drafts, oldest first."""
    return _said("user", _REVIEW_NOTE.format(feedback="\n".join(f"- {text}" for text in feedback)))


def user_messages(conversation: Conversation, briefing: Briefing) -> list[WireMessage]:
    """The conversation from the other side: the model plays the customer, so what the customer said is the assistant's."""
    return [_said("system", briefing.user_instructions), _said("user", STARTER), *_as_read_by("user", conversation)]


def with_correction(messages: list[WireMessage], problem: str) -> list[WireMessage]:
    """The same question once more, after a reply that could not be used."""
    return [*messages, _said("user", _CORRECTION_NOTE.format(problem=problem))]


def _wire_tools(tools: Sequence[ToolSpec]) -> list[WireTool]:
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)},
        }
        for tool in tools
    ]


wire_tools: ByIdentity[Sequence[ToolSpec], list[WireTool]] = ByIdentity(_wire_tools)
# one list for all requests with these tools, which nobody changes: a codec may know it again


def cache_key(instructions: str, conversation: Conversation) -> str:
    """The same for all requests that begin with these instructions and this first message: siblings of a fork, trunks of a task."""
    return _cache_key(
        instructions, conversation[0].text if conversation and isinstance(conversation[0], UserMessage) else ""
    )


@lru_cache(maxsize=4096)
def _cache_key(*beginning: str) -> str:
    return digest(*(text.encode("utf-8", "surrogatepass") for text in beginning)).hex()


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
