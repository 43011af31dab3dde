"""The Anthropic Messages protocol, both ways, without I/O. What an endpoint sends is data: checked, never trusted.

Source: docs.anthropic.com/en/api/messages, version 2023-06-01. Beside the shape of messages, four things differ from OpenAI's:

- Structured output is a tool that the model is made to call; its input becomes the reply's text.
- The prompt cache is asked for by marks: after the tools, after the system text and, in a request with a `cache_key`,
  after the last message, so that the next turn and sibling branches read the conversation so far from the cache.
- There is no seed: a request's is left out (`Endpoint.takes_seed`).
- There are no log-probabilities: a request for them is refused (`Endpoint.gives_logprobs`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import orjson

from actors.chat_anthropic_request import FORM_TOOL, request_body
from actors.chat_endpoint import Endpoint
from actors.chat_untrusted import count, json_object, tool_call
from actors.chat_wire import ChatRequest, Decoded, MalformedCall, NoCompletion, Tokens
from rollouts.episode import JsonValue, ToolCall
from rollouts.errors import FailureKind, RolloutError

API_VERSION = "2023-06-01"
_HEADERS: Mapping[str, str] = {"anthropic-version": API_VERSION}
_FINISH_REASONS: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
# in the words of the common form
_CUT_OFF = ("max_tokens", "model_context_window_exceeded")

Block: TypeAlias = "dict[str, JsonValue]"


class AnthropicCodec:
    """Implements `actors.chat_codec.Codec`. The base URL may end in "/v1" or before it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        versioned = endpoint.base_url.rstrip("/").endswith("/v1")
        self.url = endpoint.url("/messages" if versioned else "/v1/messages")
        self.headers = _HEADERS

    def encode(self, request: ChatRequest) -> bytes:
        if request.top_logprobs:
            raise RolloutError(
                f"the Anthropic protocol gives no log-probabilities, which are wanted of {self._endpoint.model!r}; "
                'do without them, or take a model behind protocol = "openai"',
                kind=FailureKind.REJECTED,
                fatal=True,
            )
        try:
            return orjson.dumps(request_body(request, self._endpoint), default=dict)
        except TypeError as error:
            raise RolloutError(
                f"the conversation cannot be written as JSON: {error}", kind=FailureKind.REJECTED
            ) from None

    def decode(self, body: bytes, request: ChatRequest) -> Decoded:
        message = json_object(body)
        blocks, stop = _content(message), message.get("stop_reason")
        stop = stop if isinstance(stop, str) else ""
        calls = [*_calls(blocks, cut_off=stop in _CUT_OFF)]
        text = _joined(blocks, "text")
        if request.response_schema is not None:
            calls, text = _form_apart(calls, text)
        return Decoded(
            text=text,
            tool_calls=tuple(calls),
            reasoning=_joined(blocks, "thinking"),
            finish_reason=_FINISH_REASONS.get(stop, stop),
            endpoint_finish_reason=stop,
            tokens=_tokens(message.get("usage")),
            first_token={},
        )


# -- what a reply says ------------------------------------------------------------------------------------------------


def _content(message: Block) -> list[Block]:
    content = message.get("content")
    if message.get("type") != "message" or not isinstance(content, list):
        raise NoCompletion("it is no message with a list of content blocks")
    if message.get("role") != "assistant":
        raise NoCompletion(f"its message has the role {message.get('role')!r}, not 'assistant'")
    return [block for block in content if isinstance(block, dict)]


def _joined(blocks: Sequence[Block], kind: str) -> str:
    """The text of all blocks of a kind, whose name is also their field's."""
    texts = (block.get(kind) for block in blocks if block.get("type") == kind)
    return "".join(text for text in texts if isinstance(text, str))


def _calls(blocks: Sequence[Block], *, cut_off: bool) -> Iterator[ToolCall | MalformedCall]:
    """A call that was cut off comes with part of its arguments, as whole JSON: it must not be executed."""
    for block in blocks:
        if block.get("type") != "tool_use":
            continue
        call = tool_call(name=block.get("name"), call_id=block.get("id"), given=block.get("input"))
        if cut_off and block is blocks[-1] and isinstance(call, ToolCall):
            raw = orjson.dumps(block.get("input")).decode()
            call = MalformedCall(name=call.name, raw_arguments=raw, problem="it was cut off at max_tokens")
        yield call


def _form_apart(calls: Sequence[ToolCall | MalformedCall], text: str) -> tuple[list[ToolCall | MalformedCall], str]:
    """The calls of real tools, and the form's content as JSON text; the reply's own text where the form was not given."""
    others = [call for call in calls if call.name != FORM_TOOL]
    forms = [call for call in calls if call.name == FORM_TOOL and isinstance(call, ToolCall)]
    return others, orjson.dumps(forms[0].arguments).decode() if forms else text


def _tokens(value: JsonValue) -> Tokens | None:
    """The protocol counts the prompt in three parts: fresh, read from the cache, put into the cache."""
    if not isinstance(value, dict):
        return None
    fresh, cached = count(value.get("input_tokens")), count(value.get("cache_read_input_tokens"))
    written = count(value.get("cache_creation_input_tokens"))
    return Tokens(
        prompt=fresh + cached + written,
        completion=count(value.get("output_tokens")),
        cached=cached,
        cache_written=written,
    )
