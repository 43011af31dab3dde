"""Answers of the models as JSON, and back: exactly as they were, so that a tree grown again goes the way it went.

orjson writes an answer as it stands: its fields by name, after its place and its kind. What orjson cannot write or would change
(a lone surrogate, a whole number beyond 64 bits, a number that is not finite) Python's own json writes, in the same shape.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, assert_never

import orjson

from rollouts.episode import Approve, Draft, PaidReply, Revise, ToolCall, Usage, Verdict
from rollouts.protocols import Answer, Judgement, Ruling

Placed: TypeAlias = tuple[str, Answer]
# a call's place (rollouts.ledger), and what was answered there

_BY_JSON = b" "
# stands before what json wrote and json has to read: orjson would read a long whole number as a float


def encode_answers(placed: Sequence[Placed]) -> bytes:
    records = [(place, _kind(answer), answer) for place, answer in placed]
    if all(_is_finite(answer) for _, answer in placed):
        try:
            return orjson.dumps(records, default=_plain)
        except TypeError:
            pass
    text = json.dumps(records, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return _BY_JSON + text.encode(errors="surrogatepass")


def decode_answers(data: bytes) -> list[Placed]:
    """ValueError for what is no list of answers, or one whose fields this program does not know."""
    records = json.loads(data.decode(errors="surrogatepass")) if data.startswith(_BY_JSON) else orjson.loads(data)
    try:
        return [_read(*record) for record in records]
    except (KeyError, TypeError) as error:
        raise ValueError(f"answers in an unknown form ({error!r})") from error


def _kind(answer: Answer) -> str:
    match answer:
        case Draft():
            return "draft"
        case Judgement():
            return "judgement"
        case Ruling():
            return "ruling"
        case _:
            assert_never(answer)


def _is_finite(answer: Answer) -> bool:
    """Whether orjson, which writes null for a number that is not, keeps the arguments as they are."""
    return not isinstance(answer, Draft) or all(_finite(call.arguments) for call in answer.tool_calls)


def _finite(value: object) -> bool:
    match value:
        case float():
            return math.isfinite(value)
        case Mapping():
            return all(map(_finite, value.values()))
        case list() | tuple():
            return all(map(_finite, value))
        case _:
            return True


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"an answer holds text, numbers, lists and mappings, got {type(value).__name__}")


def _read(place: str, kind: str, record: dict[str, Any]) -> Placed:
    match kind:
        case "draft":
            return place, _draft(record)
        case "judgement":
            return place, _judgement(record)
        case "ruling":
            return place, _ruling(record)
        case _:
            raise KeyError(kind)


def _draft(record: dict[str, Any]) -> Draft:
    calls = tuple(ToolCall(**call) for call in record.pop("tool_calls"))
    return Draft(tool_calls=calls, usage=_usage(record.pop("usage")), **record)


def _judgement(record: dict[str, Any]) -> Judgement:
    return Judgement(verdict=_verdict(record.pop("verdict")), usage=_usage(record.pop("usage")), **record)


def _verdict(record: dict[str, Any] | None) -> Verdict | None:
    """The null verdict is null, an approval has no field, a revision has its feedback."""
    if record is None:
        return None
    return Revise(**record) if record else Approve()


def _ruling(record: dict[str, Any]) -> Ruling:
    met = record.pop("met")
    return Ruling(met=None if met is None else tuple(met), usage=_usage(record.pop("usage")), **record)


def _usage(record: dict[str, Any]) -> Usage:
    return Usage(replies=tuple(PaidReply(**reply) for reply in record.pop("replies")), **record)
