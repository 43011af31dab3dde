"""The OpenAI chat-completions protocol, both ways, without I/O. What an endpoint sends is data: checked, never trusted.

Source: platform.openai.com/docs/api-reference/chat; `reasoning_content` and `reasoning` are the names vLLM, DeepSeek
and OpenRouter give to a reply's reasoning.
"""

from __future__ import annotations

import re

import orjson

from actors.chat_endpoint import Endpoint, Price
from actors.chat_wire import ChatRequest, MalformedCall, NoCompletion, Reply
from rollouts.episode import JsonValue, ToolCall, Usage
from rollouts.errors import FailureKind, RolloutError

_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# what the protocol accepts; another name could not be sent back as history
_THINK_END = "</think>"


def encode(request: ChatRequest, endpoint: Endpoint) -> bytes:
    """The request's body. RolloutError(REJECTED) when the conversation holds what JSON cannot (a lone surrogate)."""
    temperature = endpoint.temperature if request.temperature is None else request.temperature
    body: dict[str, object] = {
        "model": endpoint.model,
        "messages": request.messages,
        endpoint.max_tokens_field: endpoint.max_tokens,
    }
    if temperature is not None:
        body["temperature"] = temperature
    if request.seed is not None:
        body["seed"] = request.seed
    if request.tools:
        body |= {"tools": request.tools, "tool_choice": request.tool_choice}
    try:
        return orjson.dumps(body, default=dict)
    except TypeError as error:
        raise RolloutError(f"the conversation cannot be written as JSON: {error}", kind=FailureKind.REJECTED) from None


def decode(body: bytes, *, price: Price | None) -> Reply:
    """The completion in a 200's body. NoCompletion says what is wrong with one that is none."""
    try:
        completion = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NoCompletion(f"its body is no JSON ({error})") from None
    if not isinstance(completion, dict):
        raise NoCompletion(f"its body is a JSON {type(completion).__name__}, not an object")
    choices = completion.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise NoCompletion("it has no choices")
    message = choices[0].get("message")
    if not isinstance(message, dict):
        raise NoCompletion("its first choice has no message")
    if message.get("role", "assistant") != "assistant":
        raise NoCompletion(f"its message has the role {message['role']!r}, not 'assistant'")
    reasoning, text = _apart(_text(message.get("content")) or _text(message.get("refusal")))
    return Reply(
        text=text,
        tool_calls=tuple(_call(entry) for entry in _entries(message.get("tool_calls"))),
        reasoning=_text(message.get("reasoning_content")) or _text(message.get("reasoning")) or reasoning,
        finish_reason=_text(choices[0].get("finish_reason")),
        usage=_usage(completion.get("usage"), price=price),
    )


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
    name, given, call_id = function.get("name"), function.get("arguments"), entry.get("id")
    raw = given if isinstance(given, str) else orjson.dumps(given).decode()
    if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name):
        return MalformedCall(name=str(name), raw_arguments=raw, problem="its name is no tool's name")
    try:
        arguments = {} if given is None or raw.strip() == "" else orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return MalformedCall(name=name, raw_arguments=raw, problem=f"its arguments are no JSON ({error})")
    if not isinstance(arguments, dict):
        return MalformedCall(name=name, raw_arguments=raw, problem="its arguments are no JSON object")
    return ToolCall(call_id=call_id if isinstance(call_id, str) else "", name=name, arguments=arguments)


def _usage(value: JsonValue, *, price: Price | None) -> Usage:
    """Tokens as the endpoint counted them; without its count, or without a price, the cost is unknown."""
    if not isinstance(value, dict):
        return Usage(cost_usd=None)
    details = value.get("prompt_tokens_details")
    prompt, completion = _count(value.get("prompt_tokens")), _count(value.get("completion_tokens"))
    cached = min(prompt, _count(details.get("cached_tokens")) if isinstance(details, dict) else 0)
    cost = price.cost_usd(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached) if price else None
    return Usage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached, cost_usd=cost)


def _count(value: JsonValue) -> int:
    return value if type(value) is int and value > 0 else 0
