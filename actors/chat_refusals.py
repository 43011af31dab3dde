"""What an answer that holds no reply means: a decision from status and body alone.

| answer | kind | retried | fatal | overload |
|---|---|---|---|---|
| 408, 409, 5xx, a 200 that is no completion | infrastructure | yes | no | 503 |
| 429, 529 | rate limit | yes | no | yes |
| the account has no money left (402; OpenAI: 429; Anthropic: 400) | rejected | no | yes | no |
| 401, 403, 404, a redirect | rejected | no | yes | no |
| the model takes no tools | rejected | no | yes | no |
| the conversation is too long | context length | no | no | no |
| the text is objectionable | content filter | no | no | no |
| any other 4xx | rejected | no | no | no |

Endpoints differ in status and wording, so the last kinds are recognised by their codes and by the beginning of their
message. The rest of a body is not searched: validators quote the request back, and a customer may say "moderation".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from actors.chat_faults import Fault, broken, overloaded, refused
from actors.chat_http import HttpAnswer
from actors.chat_key import ApiKey
from rollouts.episode import JsonValue
from rollouts.errors import FailureKind

CONTEXT = re.compile(
    r"context[_ ](length|window|size|limit)|prompt is too long|input is too long|request_too_large"
    r"|maximum model length|max_model_len|exceeds the maximum number of (input )?tokens"
)
# OpenAI, vLLM, llama.cpp, Anthropic, Bedrock, Gemini
FILTER = re.compile(r"content[_ ](filter|policy)|responsibleai|moderation|invalid_prompt|usage policy|safety system")
# OpenAI, Azure, Anthropic
QUOTA = re.compile(r"insufficient_quota|billing_hard_limit_reached|credit balance is too low")
NO_TOOLS = re.compile(
    r"\b(tools?|tool[_ -](choice|use|call(s|ing)?)|function[_ -]?call(s|ing)?)\b[^.\n]{0,60}"
    r"(\bnot support|\bunsupported\b|n't support|\brequires --)"
    r"|(not support|unsupported|n't support|no endpoints found that support)[^.\n]{0,40}"
    r"\b(tools?|tool[_ -](choice|use|call(s|ing)?)|function[_ -]?call(s|ing)?)\b"
)
# Ollama, vLLM, llama.cpp, OpenAI, OpenRouter
MAX_SEARCHED_CHARS = 500
# of a message: providers say what is wrong first
MAX_SCANNED_BYTES = 65_536
# of an error's body


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an explanation needs to know of the request."""

    model: str
    url: str
    key: ApiKey
    with_tools: bool


def fault_of_answer(answer: HttpAnswer, *, asked: Asked, retry_after_s: float | None) -> Fault:
    """The meaning of an answer that is not 200."""
    text, clues = _read_error(answer.body)
    status = answer.status
    said = f"HTTP {status}: {asked.key.quote(text) or '(empty body)'}"
    if status == 402 or (status in (400, 403, 429) and QUOTA.search(clues)):
        return refused(f"the account behind the endpoint has no money or quota left; {said}", fatal=True)
    if status in (429, 529):
        return overloaded(said, kind=FailureKind.RATE_LIMIT, retry_after_s=retry_after_s)
    if asked.with_tools and status in (400, 404, 422, 500, 501) and NO_TOOLS.search(clues):
        return refused(
            f'the model {asked.model!r} takes no tools here; let it act in text with actor.kind = "react"; {said}',
            fatal=True,
        )
    if status == 503:
        return overloaded(said, kind=FailureKind.INFRASTRUCTURE, retry_after_s=retry_after_s)
    if status in (408, 409) or status >= 500 or status < 300:
        return broken(said, retry_after_s=retry_after_s)
    if status in (400, 403, 413, 422) and CONTEXT.search(clues):
        longer = f"the conversation is longer than the context of {asked.model!r}; {said}"
        return refused(longer, kind=FailureKind.CONTEXT_LENGTH)
    if status in (400, 403, 422) and FILTER.search(clues):
        filtered = f"the endpoint's content filter refused the request; {said}"
        return refused(filtered, kind=FailureKind.CONTENT_FILTER)
    return _refusal(status, said, asked)


def fault_of_no_completion(problem: str, *, body: bytes, key: ApiKey) -> Fault:
    """The meaning of a 200 that holds no reply."""
    scanned = body[:MAX_SCANNED_BYTES].decode(errors="replace")
    return broken(
        f"HTTP 200, but no chat completion: {key.quote(problem)}; it said: {key.quote(scanned) or '(nothing)'}"
    )


def _refusal(status: int, said: str, asked: Asked) -> Fault:
    match status:
        case 401 | 403 if asked.key.variable:
            whose = f"the key in the environment variable {asked.key.variable}"
            return refused(f"the endpoint does not accept {whose}; {said}", fatal=True)
        case 401 | 403:
            how = "name its environment variable in api_key_env"
            return refused(f"the endpoint wants a key; {how}; {said}", fatal=True)
        case 404:
            what = f"there is no model {asked.model!r} at {asked.url}, or nothing at all"
            return refused(f"{what}: check model and base_url; {said}", fatal=True)
        case _ if status < 400:
            return refused(f"base_url leads to a redirect; give the address it leads to; {said}", fatal=True)
        case _:
            return refused(f"the endpoint refuses the request; {said}")


# -- reading an error -------------------------------------------------------------------------------------------------


def _read_error(body: bytes) -> tuple[str, str]:
    """What the body says to a reader, and, in lower case, what its kind is recognised by."""
    scanned = body[:MAX_SCANNED_BYTES].decode(errors="replace")
    try:
        answer: JsonValue = orjson.loads(body)
    except orjson.JSONDecodeError:
        return scanned, scanned[:MAX_SEARCHED_CHARS].lower()
    error = answer.get("error", answer) if isinstance(answer, dict) else answer
    if isinstance(error, str):
        error = {"message": error}
    if not isinstance(error, dict):
        return scanned, ""
    message = next((text for name in ("message", "detail") if isinstance(text := error.get(name), str)), "")
    return message or scanned, " ".join((*_codes(error), message[:MAX_SEARCHED_CHARS])).lower()


def _codes(error: dict[str, JsonValue]) -> Iterator[str]:
    inner = error.get("innererror")
    for holder in (error, inner if isinstance(inner, dict) else {}):
        for name in ("code", "type"):
            if isinstance(code := holder.get(name), str):
                yield code
