"""The OpenAI chat-completions protocol, both ways, without I/O. What an endpoint sends is data: checked, never trusted.

Source: platform.openai.com/docs/api-reference/chat; `reasoning_content` and `reasoning` are the names vLLM, DeepSeek
and OpenRouter give to a reply's reasoning.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from actors.chat_endpoint import Endpoint
from actors.chat_untrusted import count, json_object, tool_call
from actors.chat_wire import ChatRequest, Decoded, MalformedCall, NoCompletion, Tokens
from rollouts.episode import JsonValue, ToolCall
from rollouts.errors import FailureKind, RolloutError

_THINK_END = "</think>"
_NO_HEADERS: Mapping[str, str] = {}


class OpenAICodec:
    """Implements `actors.chat_codec.Codec`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self.url = endpoint.url("/chat/completions")
        self.headers = _NO_HEADERS

    def encode(self, request: ChatRequest) -> bytes:
        # All of it each time: orjson writes 30 kB in 5 µs, and splicing in the encoded tools and policy would save 3.
        try:
            return orjson.dumps(self._body(request), default=dict)
        except TypeError as error:
            raise RolloutError(
                f"the conversation cannot be written as JSON: {error}", kind=FailureKind.REJECTED
            ) from None

    def decode(self, body: bytes, request: ChatRequest) -> Decoded:
        completion = json_object(body)
        choice = _first_choice(completion)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise NoCompletion("its first choice has no message")
        if message.get("role", "assistant") != "assistant":
            raise NoCompletion(f"its message has the role {message['role']!r}, not 'assistant'")
        reasoning, text = _apart(_text(message.get("content")) or _text(message.get("refusal")))
        finish_reason = _text(choice.get("finish_reason"))
        return Decoded(
            text=text,
            tool_calls=tuple(_call(entry) for entry in _entries(message.get("tool_calls"))),
            reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")) or reasoning,
            finish_reason=finish_reason,
            endpoint_finish_reason=finish_reason,
            tokens=_tokens(completion.get("usage")),
            first_token=_first_token(choice.get("logprobs")) if request.top_logprobs else {},
        )

    def _body(self, request: ChatRequest) -> dict[str, object]:
        endpoint = self._endpoint
        temperature = endpoint.temperature if request.temperature is None else request.temperature
        body: dict[str, object] = {
            "model": endpoint.model,
            "messages": request.messages,
            endpoint.max_tokens_field: request.max_tokens or endpoint.max_tokens,
        }
        if temperature is not None:
            body["temperature"] = temperature
        if request.seed is not None:
            body["seed"] = request.seed
        if request.tools:
            body |= {"tools": request.tools, "tool_choice": request.tool_choice}
        if request.response_schema is not None:
            form = {"name": "reply", "schema": request.response_schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": form}
        if request.top_logprobs:
            body |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.cache_key and endpoint.offers_prompt_cache_key:
            body["prompt_cache_key"] = request.cache_key
        return body


# -- what a reply says ------------------------------------------------------------------------------------------------


def _first_choice(completion: dict[str, JsonValue]) -> dict[str, JsonValue]:
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise NoCompletion("it has no choices")
    return choices[0]


def _text(value: JsonValue) -> str:
    """A string, or the text parts of a list of content parts; "" for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise NoCompletion(f"a {type(value).__name__} stands where its message must have text")
    texts = (part.get("text") for part in value if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))


def _apart(text: str) -> tuple[str, str]:
    """Reasoning and answer of a model whose server leaves <think>…</think> in the text.

    The opening tag may be missing (chat templates put it into the prompt); a missing closing tag means that the reply
    was cut off while thinking.
    """
    reasoning, end, answer = text.rpartition(_THINK_END)
    if not end:
        reasoning, answer = (answer, "") if text.lstrip().startswith("<think>") else ("", answer)
    return reasoning.strip().removeprefix("<think>").strip(), answer.strip() if end else answer


def _entries(value: JsonValue) -> list[JsonValue]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise NoCompletion("its tool_calls are no list")
    return value


def _call(entry: JsonValue) -> ToolCall | MalformedCall:
    function = entry.get("function") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(function, dict):
        raise NoCompletion("one of its tool calls has no function")
    return tool_call(name=function.get("name"), call_id=entry.get("id"), given=function.get("arguments"))


def _tokens(value: JsonValue) -> Tokens | None:
    if not isinstance(value, dict):
        return None
    details = value.get("prompt_tokens_details")
    prompt = count(value.get("prompt_tokens"))
    cached = count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    return Tokens(prompt=prompt, completion=count(value.get("completion_tokens")), cached=min(prompt, cached))


def _first_token(logprobs: JsonValue) -> Mapping[str, float]:
    """The alternatives at the first place of the text, likeliest first as the endpoint lists them; {} where it gave none."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    first = content[0] if isinstance(content, list) and content else None
    alternatives = first.get("top_logprobs") if isinstance(first, dict) else None
    if not isinstance(first, dict) or not isinstance(alternatives, list):
        return {}
    found: dict[str, float] = {}
    for entry in (*alternatives, first):  # the token that was chosen need not be among the likeliest
        token, logprob = (entry.get("token"), entry.get("logprob")) if isinstance(entry, dict) else (None, None)
        if isinstance(token, str) and type(logprob) in (int, float):
            found.setdefault(token, float(logprob))  # type: ignore[arg-type]  # the line above
    return found
