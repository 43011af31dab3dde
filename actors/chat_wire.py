"""What a chat policy asks and what it gets, the same for every protocol. Messages are OpenAI-shaped JSON, the common form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rollouts.episode import JsonValue, ToolCall, Usage

WireMessage: TypeAlias = "dict[str, JsonValue]"
# {"role": …, "content": …}, with "tool_calls" or "tool_call_id"
WireTool: TypeAlias = "dict[str, JsonValue]"
ToolChoice: TypeAlias = Literal["auto", "none", "required"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    messages: list[WireMessage]
    tools: list[WireTool]
    # empty: the model gets none
    tool_choice: ToolChoice = "auto"
    # has no effect without tools
    seed: int | None = None
    # None: not sent; a protocol without seeds leaves it out (Endpoint.takes_seed)
    temperature: float | None = None
    # None: the endpoint's own
    max_tokens: int | None = None
    # None: the endpoint's own
    response_schema: WireTool | None = None
    # a JSON Schema that the reply's text has to follow; None: free text
    top_logprobs: int = 0
    # how many alternatives of the first token are wanted with their log-probabilities; 0: none. Refused by a protocol that has
    # none (Endpoint.gives_logprobs)
    cache_key: str = ""
    # equal for requests that share a long prefix; "": no other request will read this one's. OpenAI: sent where the endpoint
    # offers prompt_cache_key; Anthropic: has the whole conversation put into the cache, not the policy and the tools alone


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedCall:
    """A tool call the model made and nobody can execute: its arguments are no JSON object, or its name is no name."""

    name: str
    raw_arguments: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one reply used, as the endpoint counted it."""

    prompt: int
    # all of them, from the cache or not
    completion: int
    cached: int = 0
    # those of `prompt` that were read from the provider's cache
    cache_written: int = 0
    # those of `prompt` that were put into it for more than the plain price


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """What the body of a reply says, in the common form; nothing of how it was had."""

    text: str
    tool_calls: tuple[ToolCall | MalformedCall, ...]
    reasoning: str
    finish_reason: str
    endpoint_finish_reason: str
    # the endpoint's own word for it
    tokens: Tokens | None
    # None: the endpoint did not count
    first_token: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    text: str
    tool_calls: tuple[ToolCall | MalformedCall, ...]
    # in the model's order; call_id is "" where the endpoint gave none
    reasoning: str
    # kept apart from `text`, whether the endpoint did so or not
    finish_reason: str
    # in the words of the OpenAI protocol: "stop", "tool_calls", "length", …; "" when the endpoint gave none
    usage: Usage
    # one call; its one PaidReply has the endpoint's own finish reason, the attempts and the times
    attempts: int = 1
    # HTTP requests made for it
    first_token: Mapping[str, float] = field(default_factory=dict)
    # the alternatives of the first token with their log-probabilities, where they were asked for and given


class NoCompletion(ValueError):
    """The endpoint said 200, but what it sent is no chat completion; asking again may help."""
