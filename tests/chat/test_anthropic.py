"""What is sent in the Anthropic protocol, what only its replies can say, and what it cannot do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat_anthropic import AnthropicCodec
from actors.chat_anthropic_request import request_body
from actors.chat_client import ChatClient
from actors.chat_endpoint import Price
from actors.chat_messages import actor_messages, wire_tools
from actors.chat_openai import OpenAICodec
from actors.chat_wire import ChatRequest, MalformedCall, WireMessage
from rollouts.errors import FailureKind, RolloutError
from tests.chat.anthropic_side import VERSION, common_request
from tests.chat.conftest import KEY, ConnectTo
from tests.chat.process import RunningServer
from tests.chat.samples import BRIEFING, GET_ORDER, HI, LOOKED_UP, SCHEMA, endpoint

CACHED = {"type": "ephemeral"}
TURN = ChatRequest(
    messages=actor_messages(LOOKED_UP, BRIEFING), tools=wire_tools(BRIEFING.tools), seed=7, cache_key="retail/12"
)
HERE = endpoint("http://127.0.0.1/v1", "m", protocol="anthropic")


async def _sent(client: ChatClient, request: ChatRequest = HI) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads((await client.complete(request)).text)
    return sent


async def test_the_request_carries_what_was_asked_for(connect: ConnectTo) -> None:
    sent = await _sent(connect("echo", protocol="anthropic", temperature=0.7, max_tokens=99), TURN)
    headers = {"X-Api-Key": KEY, "Anthropic-Version": VERSION, "Content-Type": "application/json"}
    assert sent["headers"] == headers
    schema = dict(GET_ORDER.parameters)
    arguments = {"order_id": "#W1", "full": True}
    assert sent["body"] == {
        "model": "echo",
        "max_tokens": 99,
        "temperature": 0.7,
        "system": [{"type": "text", "text": BRIEFING.policy, "cache_control": CACHED}],
        "tools": [
            {
                "name": "get_order",
                "description": "Look an order up.",
                "input_schema": schema,
                "cache_control": CACHED,
            }
        ],
        "tool_choice": {"type": "auto"},
        "messages": [
            {"role": "user", "content": [_text("Where is #W1?")]},
            {
                "role": "assistant",
                "content": [
                    _text("THOUGHT beside a call"),
                    {"type": "tool_use", "id": "call_0", "name": "get_order", "input": arguments},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "call_0", "content": "RESULT shipped"}],
            },
            {"role": "assistant", "content": [_text("It was shipped.")]},
            {"role": "user", "content": [_text("When?") | {"cache_control": CACHED}]},
        ],
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


async def test_what_was_not_asked_for_is_not_sent(connect: ConnectTo) -> None:
    sent = await _sent(connect("echo", protocol="anthropic", temperature=None, api_key_env=""))
    assert sent["headers"].keys() == {"Anthropic-Version", "Content-Type"}
    assert sent["body"].keys() == {"model", "max_tokens", "messages"}
    assert sent["body"]["messages"] == [{"role": "user", "content": [_text("Hi")]}]


async def test_the_address_may_end_before_or_after_the_version(connect: ConnectTo, server: RunningServer) -> None:
    for base_url in (server.base_url, server.base_url + "/", server.base_url.removesuffix("/v1")):
        client = connect("text", protocol="anthropic", base_url=base_url)
        assert (await client.complete(HI)).text == "Good morning."


async def test_a_gateway_gets_the_key_in_the_header_that_it_wants(connect: ConnectTo) -> None:
    sent = await _sent(connect("echo", protocol="anthropic", key_header="authorization"))
    assert sent["headers"]["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(("choice", "sent_as"), [("auto", "auto"), ("none", "none"), ("required", "any")])
def test_a_tool_choice_has_its_name_in_this_protocol(choice: Any, sent_as: str) -> None:
    assert request_body(replace(TURN, tool_choice=choice), HERE)["tool_choice"] == {"type": sent_as}


def test_a_form_is_a_tool_that_the_model_is_made_to_call_and_the_last_one_is_marked() -> None:
    body: dict[str, Any] = request_body(replace(TURN, response_schema=SCHEMA), HERE)
    own, form = body["tools"]
    assert body["tool_choice"] == {"type": "tool", "name": form["name"]}
    assert form["input_schema"] == SCHEMA
    assert "cache_control" in form
    assert "cache_control" not in own


def test_the_conversation_is_put_into_the_cache_only_where_another_request_may_read_it() -> None:
    body: dict[str, Any] = request_body(replace(TURN, cache_key=""), HERE)
    assert body["messages"][-1]["content"] == [_text("When?")]


async def test_a_call_that_was_cut_off_is_malformed(connect: ConnectTo) -> None:
    (call,) = (await connect("cut-off-call", protocol="anthropic").complete(HI)).tool_calls
    assert isinstance(call, MalformedCall)
    assert call.problem == "it was cut off at max_tokens"


async def test_what_is_put_into_the_cache_has_its_own_price(connect: ConnectTo) -> None:
    price = Price(prompt_usd=1.0, completion_usd=5.0, cached_usd=0.1, cache_write_usd=1.25)
    usage = (await connect("text", protocol="anthropic", price=price).complete(HI)).usage
    assert (usage.prompt_tokens, usage.cached_tokens) == (1000, 600)
    assert usage.cost_usd == pytest.approx((300 * 1.0 + 600 * 0.1 + 100 * 1.25 + 10 * 5.0) / 1_000_000)


async def test_log_probabilities_are_refused_before_anything_is_sent(connect: ConnectTo, server: RunningServer) -> None:
    client = connect("text:no-logprobs", protocol="anthropic")
    assert not client.endpoint.gives_logprobs
    with pytest.raises(RolloutError, match="no log-probabilities") as caught:
        await client.complete(replace(HI, top_logprobs=5))
    assert (caught.value.kind, caught.value.fatal) == (FailureKind.REJECTED, True)
    assert server.requests("text:no-logprobs").asked == 0


# -- any conversation -------------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=8)
NAMES = st.sampled_from(["get_order", "cancel"])
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS
ARGUMENTS = st.dictionaries(TEXTS, st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=4))


def _exchange(number: int, text: str, given: list[tuple[str, dict[str, Any]]], results: list[str]) -> list[WireMessage]:
    calls = [
        {"id": f"c{number}_{i}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for i, (name, arguments) in enumerate(given)
    ]
    said: dict[str, Any] = {"role": "assistant", "content": text or None, "tool_calls": calls}
    answers: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": call["id"], "content": result}
        for call, result in zip(calls, results, strict=True)
    ]
    return [said, *answers]


@st.composite
def conversations(draw: st.DrawFn) -> list[WireMessage]:
    messages: list[WireMessage] = [
        {"role": "system", "content": draw(TEXTS)},
        {"role": "user", "content": "x" + draw(TEXTS)},
    ]
    for number in range(draw(st.integers(0, 4))):
        given_calls = draw(st.lists(st.tuples(NAMES, ARGUMENTS), min_size=1, max_size=3))
        results = draw(st.lists(TEXTS, min_size=len(given_calls), max_size=len(given_calls)))
        messages += draw(
            st.sampled_from(
                [
                    _exchange(number, draw(TEXTS), given_calls, results),
                    [{"role": "assistant", "content": draw(TEXTS)}],
                    [{"role": "user", "content": draw(TEXTS)}],
                ]
            )
        )
    return messages


@given(messages=conversations(), cache_key=st.sampled_from(["", "k"]))
def test_any_conversation_is_one_that_the_protocol_allows_and_nothing_said_is_lost(
    messages: list[WireMessage], cache_key: str
) -> None:
    """The server's own reading of what was sent, against the messages; it refuses what the protocol does not allow."""
    request = ChatRequest(messages=messages, tools=wire_tools([GET_ORDER]), cache_key=cache_key)
    sent = json.loads(_anthropic_body(request))
    assert _told(common_request(sent, {"anthropic-version": VERSION})["messages"]) == _told(messages)


def _anthropic_body(request: ChatRequest) -> bytes:
    return AnthropicCodec(HERE).encode(request)


def _told(messages: Any) -> list[tuple[object, ...]]:
    """Who said what and called what, in order; silence is nothing, and a speaker's texts in a row are one."""
    told: list[tuple[object, ...]] = []
    for message in messages:
        text = message.get("content") or ""
        if message["role"] == "tool":
            told.append(("result", message["tool_call_id"], text))
        elif text.strip() and told and told[-1][:2] == ("text", message["role"]):
            told[-1] = (*told[-1][:2], f"{told[-1][2]}{text}")
        elif text.strip():
            told.append(("text", message["role"], text))
        for call in message.get("tool_calls", ()):
            function = call["function"]
            told.append(("call", call["id"], function["name"], repr(json.loads(function["arguments"]))))
    return told


def test_the_common_form_of_a_request_is_untouched_by_being_written() -> None:
    before = OpenAICodec(endpoint("http://127.0.0.1/v1", "m")).encode(TURN)
    _anthropic_body(TURN)
    assert OpenAICodec(endpoint("http://127.0.0.1/v1", "m")).encode(TURN) == before
