"""What is sent in the OpenAI protocol and its Azure form, and what only its replies can say."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from actors.chat_client import ChatClient
from actors.chat_messages import wire_tools
from actors.chat_wire import ChatRequest
from tests.chat.conftest import KEY, ConnectTo
from tests.chat.process import RunningServer
from tests.chat.samples import GET_ORDER, HI, SCHEMA
from tests.chat.structured import APPROVES


async def _sent(client: ChatClient, request: ChatRequest = HI) -> dict[str, Any]:
    sent: dict[str, Any] = json.loads((await client.complete(request)).text)
    return sent


async def test_the_request_carries_what_was_asked_for(connect: ConnectTo) -> None:
    request = ChatRequest(messages=HI.messages, tools=wire_tools([GET_ORDER]), tool_choice="required", seed=2**53 - 1)
    sent = await _sent(connect("echo", temperature=0.7, max_tokens=99), request)
    assert sent["headers"] == {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    assert sent["query"] == {}
    tool = {"type": "function", "function": {"name": "get_order", "description": "Look an order up."}}
    tool["function"] |= {"parameters": GET_ORDER.parameters}  # type: ignore[operator]
    assert sent["body"] == {
        "model": "echo",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 99,
        "temperature": 0.7,
        "seed": 2**53 - 1,
        "tools": [tool],
        "tool_choice": "required",
    }


async def test_what_was_not_asked_for_is_not_sent(connect: ConnectTo) -> None:
    client = connect("echo", temperature=None, api_key_env="", max_tokens_field="max_completion_tokens")
    sent = await _sent(client)
    assert sent["headers"] == {"Content-Type": "application/json"}
    assert sent["body"].keys() == {"model", "messages", "max_completion_tokens"}


async def test_a_requests_temperature_and_length_override_the_endpoints(connect: ConnectTo) -> None:
    sent = await _sent(connect("echo", temperature=1.0), replace(HI, temperature=0.0, max_tokens=7))
    assert (sent["body"]["temperature"], sent["body"]["max_tokens"]) == (0.0, 7)


async def test_a_schema_is_sent_as_a_strict_response_format(connect: ConnectTo) -> None:
    sent = await _sent(connect("echo"), replace(HI, response_schema=SCHEMA))
    form = {"name": "reply", "schema": SCHEMA, "strict": True}
    assert sent["body"]["response_format"] == {"type": "json_schema", "json_schema": form}


async def test_a_cache_key_is_sent_only_where_the_endpoint_offers_it(connect: ConnectTo) -> None:
    request = replace(HI, cache_key="retail/12")
    offered = await _sent(connect("echo", offers_prompt_cache_key=True), request)
    assert offered["body"]["prompt_cache_key"] == "retail/12"
    assert "prompt_cache_key" not in (await _sent(connect("echo"), request))["body"]


@pytest.mark.parametrize("header", ["api-key", "x-api-key"])
async def test_an_azure_style_endpoint_gets_its_version_and_its_key_header(
    connect: ConnectTo, server: RunningServer, header: str
) -> None:
    base_url = server.base_url.removesuffix("/v1") + "/openai/deployments/mine"
    sent = await _sent(connect("echo", base_url=base_url, api_version="2024-10-21", key_header=header))
    assert sent["query"] == {"api-version": "2024-10-21"}
    assert sent["headers"] == {header.title(): KEY, "Content-Type": "application/json"}


async def test_the_first_tokens_alternatives_come_with_their_log_probabilities(connect: ConnectTo) -> None:
    client = connect("logprobs")
    reply = await client.complete(replace(HI, top_logprobs=2))
    assert reply.first_token == {"approve": math.log(APPROVES), "revise": math.log(1 - APPROVES)}
    assert (await client.complete(HI)).first_token == {}


async def test_alternatives_that_cannot_be_read_are_left_out_and_the_chosen_token_is_among_them(
    connect: ConnectTo,
) -> None:
    reply = await connect("strange-logprobs").complete(replace(HI, top_logprobs=5))
    assert reply.first_token == {"revise": math.log(0.5), "approve": math.log(0.25)}


async def test_an_endpoint_that_gives_no_log_probabilities_gives_none(connect: ConnectTo) -> None:
    assert (await connect("text").complete(replace(HI, top_logprobs=5))).first_token == {}


@pytest.mark.parametrize("personality", ["reasoning", "think-tags", "unopened-think"])
async def test_reasoning_is_kept_apart_however_the_server_sends_it(connect: ConnectTo, personality: str) -> None:
    reply = await connect(personality).complete(HI)
    assert (reply.reasoning, reply.text) == ("The order exists.", "Yes.")


async def test_a_thought_cut_off_is_reasoning_and_no_text(connect: ConnectTo) -> None:
    reply = await connect("thinking-too-long").complete(HI)
    assert (reply.reasoning, reply.text, reply.finish_reason) == ("And then again", "", "length")
