"""What an attempt that gave no reply means: a decision from status, headers and body alone.

| answer | kind | retried | fatal |
|---|---|---|---|
| 408, 409, 5xx, a 200 that is no completion | infrastructure | yes | no |
| 429 | rate limit | yes | no |
| 429 because the account has no money left, 402 | rejected | no | yes |
| 401, 403, 404, a redirect | rejected | no | yes |
| context length, content filter, any other 4xx | rejected | no | no |
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from actors.chat_endpoint import Endpoint
from actors.chat_key import ApiKey
from rollouts.episode import JsonValue
from rollouts.errors import FailureKind

CONTEXT_MARKERS = ("context_length", "context length", "context_size", "context window", "prompt is too long")
# OpenAI, vLLM, llama.cpp, Anthropic's gateway
FILTER_MARKERS = ("content_filter", "content filter", "content_policy", "moderation", "responsibleai")
QUOTA_MARKERS = ("insufficient_quota", "billing_hard_limit_reached")
# OpenAI answers 429 for these, and no waiting helps
MAX_SCANNED_BYTES = 65_536
# of an error's body


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why one attempt gave no reply."""

    message: str
    # safe to show: without the key
    kind: FailureKind
    retryable: bool
    fatal: bool = False
    retry_after_s: float | None = None
    # what the endpoint asked for


def broken(message: str, *, retry_after_s: float | None = None) -> Fault:
    """Something on the way failed that may work the next time."""
    return Fault(message=message, kind=FailureKind.INFRASTRUCTURE, retryable=True, retry_after_s=retry_after_s)


def refused(message: str, *, fatal: bool = False) -> Fault:
    """The same request will be refused again."""
    return Fault(message=message, kind=FailureKind.REJECTED, retryable=False, fatal=fatal)


def fault_of_status(status: int, *, body: bytes, retry_after_s: float | None, endpoint: Endpoint, key: ApiKey) -> Fault:
    """The meaning of an answer that is not 200."""
    scanned = body[:MAX_SCANNED_BYTES].decode(errors="replace")
    lower = scanned.lower()
    said = f"HTTP {status}: {key.quote(_error_text(body) or scanned) or '(empty body)'}"
    if status == 429 and not _any_of(QUOTA_MARKERS, lower):
        return Fault(message=said, kind=FailureKind.RATE_LIMIT, retryable=True, retry_after_s=retry_after_s)
    if status in (408, 409) or status >= 500 or status < 300:
        return broken(said, retry_after_s=retry_after_s)
    if status in (400, 403, 413, 422) and _any_of(CONTEXT_MARKERS, lower):
        return refused(f"the conversation is longer than the context of {endpoint.model!r}; {said}")
    if status in (400, 403, 422) and _any_of(FILTER_MARKERS, lower):
        return refused(f"the endpoint's content filter refused the request; {said}")
    return _deterministic(status, said, endpoint=endpoint, key=key)


def fault_of_no_completion(problem: str, *, body: bytes, key: ApiKey) -> Fault:
    """The meaning of a 200 that holds no reply."""
    scanned = body[:MAX_SCANNED_BYTES].decode(errors="replace")
    return broken(
        f"HTTP 200, but no chat completion: {key.quote(problem)}; it said: {key.quote(scanned) or '(nothing)'}"
    )


def _deterministic(status: int, said: str, *, endpoint: Endpoint, key: ApiKey) -> Fault:
    match status:
        case 401 | 403 if key.variable:
            return refused(
                f"the endpoint does not accept the key in the environment variable {key.variable}; {said}", fatal=True
            )
        case 401 | 403:
            return refused(
                f"the endpoint wants a key; name its environment variable in api_key_env; {said}", fatal=True
            )
        case 402 | 429:
            return refused(f"the account behind the endpoint has no money or quota left; {said}", fatal=True)
        case 404:
            what = f"there is no model {endpoint.model!r}, or no chat completions, at this base_url"
            return refused(f"{what}; {said}", fatal=True)
        case _ if status < 400:
            return refused(f"base_url leads to a redirect; give the address it leads to; {said}", fatal=True)
        case _:
            return refused(f"the endpoint refuses the request; {said}")


def _error_text(body: bytes) -> str:
    """The message inside {"error": {"message": …}}, or inside vLLM's flat {"message": …}; "" when there is none."""
    try:
        answer: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return ""
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else ""


def _any_of(markers: tuple[str, ...], text: str) -> bool:
    return any(marker in text for marker in markers)
