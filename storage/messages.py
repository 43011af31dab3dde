"""Messages, drafts and reviews as JSON text, and back.

The shape is the chat format that trainers load: role, content, tool_calls with *objects* as arguments. What we read back
equals what we wrote, with two exceptions that no JSON or Parquet text can hold: a lone surrogate becomes U+FFFD, a number
that is not finite becomes null.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from rollouts.episode import (
    Approve,
    AssistantMessage,
    Conversation,
    Draft,
    Message,
    Review,
    Revise,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    Verdict,
)


def clean_text(text: str) -> str:
    """The text as UTF-8 can hold it: surrogate pairs joined, lone ones replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=dict)


def dump_json(value: object) -> str:
    """Compact JSON in the order given; what models wrote keeps its order of arguments."""
    try:
        text = _COMPACT.encode(value)
    except ValueError:
        text = json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"), default=dict)
    return clean_text(text)


def messages_to_json(messages: Conversation) -> str:
    return dump_json([_message(message) for message in messages])


def messages_from_json(text: str) -> Conversation:
    return tuple(_read_message(message) for message in json.loads(text))


def draft_to_json(draft: Draft) -> str:
    return dump_json(_draft(draft))


def draft_from_json(text: str) -> Draft:
    return _read_draft(json.loads(text))


def reviews_to_json(reviews: Sequence[Review]) -> str:
    return dump_json([_review(review) for review in reviews])


def reviews_from_json(text: str) -> tuple[Review, ...]:
    return tuple(
        Review(
            draft=_read_draft(r["draft"]),
            verdict=_read_verdict(r["verdict"]),
            score=r.get("score"),
            usage=Usage(**r["usage"]),
        )
        for r in json.loads(text)
    )


def _message(message: Message) -> dict[str, object]:
    match message:
        case UserMessage():
            return {"role": "user", "content": message.text, **_said_calls(message.tool_calls)}
        case AssistantMessage():
            return {"role": "assistant", "content": message.text, **_said_calls(message.tool_calls)}
        case ToolMessage():
            return {
                "role": "tool",
                "tool_call_id": message.call_id,
                "name": message.name,
                "content": message.content,
                "is_error": message.is_error,
                "side": message.side,
            }
        case _:
            assert_never(message)


def _read_message(record: Mapping[str, Any]) -> Message:
    match record["role"]:
        case "user":
            return UserMessage(text=record["content"], tool_calls=_read_calls(record.get("tool_calls", ())))
        case "assistant":
            return AssistantMessage(text=record["content"], tool_calls=_read_calls(record.get("tool_calls", ())))
        case "tool":
            return ToolMessage(
                call_id=record["tool_call_id"],
                name=record["name"],
                content=record["content"],
                is_error=record["is_error"],
                side=record["side"],
            )
        case role:
            raise ValueError(f"a stored message has the role user, assistant or tool, got {role!r}")


def _said_calls(calls: Sequence[ToolCall]) -> dict[str, object]:
    """Left out of a message that has none: chat templates ask whether the key is there."""
    return {"tool_calls": _calls(calls)} if calls else {}


def _calls(calls: Sequence[ToolCall]) -> list[dict[str, object]]:
    return [{"id": call.call_id, "name": call.name, "arguments": call.arguments} for call in calls]


def _read_calls(records: Sequence[Mapping[str, Any]]) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(call_id=r["id"], name=r["name"], arguments=r["arguments"]) for r in records)


def _draft(draft: Draft) -> dict[str, object]:
    return {
        "content": draft.text,
        "tool_calls": _calls(draft.tool_calls),
        "reasoning": draft.reasoning,
        "usage": _usage(draft.usage),
    }


def _read_draft(record: Mapping[str, Any]) -> Draft:
    return Draft(
        text=record["content"],
        tool_calls=_read_calls(record["tool_calls"]),
        reasoning=record["reasoning"],
        usage=Usage(**record["usage"]),
    )


def _review(review: Review) -> dict[str, object]:
    """Without the key `score` where the critic gave none."""
    scored = {} if review.score is None else {"score": review.score}
    return {
        "draft": _draft(review.draft),
        "verdict": _verdict(review.verdict),
        **scored,
        "usage": _usage(review.usage),
    }


def _verdict(verdict: Verdict | None) -> dict[str, object] | None:
    match verdict:
        case None:
            return None
        case Approve():
            return {"decision": "approve"}
        case Revise():
            return {"decision": "revise", "feedback": verdict.feedback}
        case _:
            assert_never(verdict)


def _read_verdict(record: Mapping[str, Any] | None) -> Verdict | None:
    if record is None:
        return None
    return Approve() if record["decision"] == "approve" else Revise(feedback=record["feedback"])


def _usage(usage: Usage) -> dict[str, object]:
    return {
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": usage.cost_usd,
    }


def _finite(value: object) -> object:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            return {key: _finite(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_finite(inner) for inner in value]
        case _:
            return value
