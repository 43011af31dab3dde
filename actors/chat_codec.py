"""The seam between the chat client and a protocol: how a request is written and how a reply is read. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, assert_never

from actors.chat_anthropic import AnthropicCodec
from actors.chat_endpoint import Endpoint
from actors.chat_openai import OpenAICodec
from actors.chat_wire import ChatRequest, Decoded


class Codec(Protocol):
    """One endpoint's protocol."""

    @property
    def url(self) -> str:
        """Where requests are posted to."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What the protocol wants beside the key and the content type."""

    def encode(self, request: ChatRequest) -> bytes:
        """The request's body. RolloutError(REJECTED) for what the protocol has no way to say, such as a lone surrogate."""

    def decode(self, body: bytes, request: ChatRequest) -> Decoded:
        """The reply in a 200's body. NoCompletion says what is wrong with one that is none."""


def codec_of(endpoint: Endpoint) -> Codec:
    match endpoint.protocol:
        case "openai":
            return OpenAICodec(endpoint)
        case "anthropic":
            return AnthropicCodec(endpoint)
        case _:
            assert_never(endpoint.protocol)
