"""What makes two actions, states or specs the same: 16-byte BLAKE2b digests of canonical text.

- an action is its tool names and arguments (keys sorted, call ids left out), or its text with case and white space normalised;
- a state is the environment's key and the whole conversation, chained step by step so that a step costs its own length only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import assert_never

from rollouts.episode import AssistantMessage, Draft, JsonValue, Message, ToolCall, ToolMessage, UserMessage

DIGEST_BYTES = 16


def digest(*parts: bytes) -> bytes:
    """16 bytes that identify the sequence of `parts` (lengths are hashed too, so no two sequences run together)."""
    h = hashlib.blake2b(digest_size=DIGEST_BYTES)
    for part in parts:
        h.update(len(part).to_bytes(8, "little"))
        h.update(part)
    return h.digest()


def canonical_json(value: JsonValue | Mapping[str, JsonValue]) -> str:
    """JSON with sorted keys and no spaces: equal values, equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)


def action_key(draft: Draft) -> bytes:
    """Identity of an action: equal drafts are one action with a multiplicity.

    Text beside a tool call is not part of it: the environment and the user see the call.
    """
    if draft.tool_calls:
        return digest(b"call", *(_bytes(_call_text(call)) for call in draft.tool_calls))
    return digest(b"say", _bytes(" ".join(draft.text.lower().split())))


def conversation_key(before: bytes, added: Iterable[Message]) -> bytes:
    """Key of a conversation from the key of its prefix (b"" for none) and the messages added since."""
    return digest(before, *(_bytes(_message_text(message)) for message in added))


def _bytes(text: str) -> bytes:
    """UTF-8, and an own spelling for lone surrogates: a model's JSON can hold them."""
    return text.encode("utf-8", "surrogatepass")


def _call_text(call: ToolCall) -> str:
    return call.name + canonical_json(call.arguments)


def _message_text(message: Message) -> str:
    match message:
        case UserMessage():
            return "user:" + message.text + "".join("\x00" + _call_text(call) for call in message.tool_calls)
        case AssistantMessage():
            return "assistant:" + message.text + "".join("\x00" + _call_text(call) for call in message.tool_calls)
        case ToolMessage():
            return f"tool:{message.side}:{message.name}:{message.is_error}:{message.content}"
        case _:
            assert_never(message)
