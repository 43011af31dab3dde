"""What the client asks and what it makes of good answers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.chat_endpoint import Price
from actors.chat_messages import wire_tools
from actors.chat_wire import ChatRequest, MalformedCall
from rollouts.episode import ToolCall, Usage
from rollouts.errors import FailureKind, RolloutError
from tests.chat.conftest import KEY, ConnectTo
from tests.chat.personalities import STRANGE_TEXT
from tests.chat.process import RunningServer
from tests.chat.samples import GET_ORDER, HI

Name = Callable[[str], str]


async def test_a_reply_has_its_text_finish_reason_and_usage(connect: ConnectTo) -> None:
    reply = await connect("text", price=Price(prompt_usd=2.0, completion_usd=10.0, cached_usd=0.5)).complete(HI)
    assert (reply.text, reply.finish_reason, reply.tool_calls, reply.attempts) == ("Good morning.", "stop", (), 1)
    cost_usd = (400 * 2.0 + 600 * 0.5 + 10 * 10.0) / 1_000_000
    assert reply.usage == Usage(prompt_tokens=1000, completion_tokens=10, cached_tokens=600, cost_usd=cost_usd)


async def test_without_a_price_the_cost_is_unknown_and_not_zero(connect: ConnectTo) -> None:
    assert (await connect("text").complete(HI)).usage.cost_usd is None


async def test_without_the_endpoints_count_the_cost_is_unknown_even_with_a_price(connect: ConnectTo) -> None:
    reply = await connect("no-usage", price=Price(prompt_usd=2.0, completion_usd=10.0)).complete(HI)
    assert reply.usage == Usage(cost_usd=None)


async def test_the_request_carries_what_was_asked_for(connect: ConnectTo) -> None:
    request = ChatRequest(messages=HI.messages, tools=wire_tools([GET_ORDER]), tool_choice="required", seed=2**53 - 1)
    sent = json.loads((await connect("echo", temperature=0.7, max_tokens=99).complete(request)).text)
    assert sent["headers"] == {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
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
    sent = json.loads((await client.complete(HI)).text)
    assert sent["headers"] == {"Content-Type": "application/json"}
    assert sent["body"].keys() == {"model", "messages", "max_completion_tokens"}


async def test_a_requests_temperature_overrides_the_endpoints(connect: ConnectTo) -> None:
    sent = json.loads((await connect("echo", temperature=1.0).complete(replace(HI, temperature=0.0))).text)
    assert sent["body"]["temperature"] == 0.0


async def test_tool_calls_arrive_in_order_with_parsed_arguments(connect: ConnectTo) -> None:
    assert (await connect("several-tools").complete(HI)).tool_calls == (
        ToolCall(call_id="call_a", name="get_order", arguments={"order_id": "#W1"}),
        ToolCall(call_id="call_b", name="get_user", arguments={"user_id": "u1"}),
    )


async def test_absent_arguments_are_no_arguments(connect: ConnectTo) -> None:
    (call,) = (await connect("no-arguments").complete(HI)).tool_calls
    assert call == ToolCall(call_id="call_0", name="list_tools", arguments={})


@pytest.mark.parametrize(
    ("personality", "problem"),
    [("malformed", "no JSON"), ("array-arguments", "no JSON object"), ("nameless", "no tool's name")],
)
async def test_a_call_that_nobody_can_execute_is_a_malformed_call(
    connect: ConnectTo, personality: str, problem: str
) -> None:
    (call,) = (await connect(personality).complete(HI)).tool_calls
    assert isinstance(call, MalformedCall)
    assert problem in call.problem


@pytest.mark.parametrize("personality", ["reasoning", "think-tags", "unopened-think"])
async def test_reasoning_is_kept_apart_however_the_server_sends_it(connect: ConnectTo, personality: str) -> None:
    reply = await connect(personality).complete(HI)
    assert (reply.reasoning, reply.text) == ("The order exists.", "Yes.")


async def test_a_thought_cut_off_is_reasoning_and_no_text(connect: ConnectTo) -> None:
    reply = await connect("thinking-too-long").complete(HI)
    assert (reply.reasoning, reply.text, reply.finish_reason) == ("And then again", "", "length")


async def test_text_in_parts_is_one_text(connect: ConnectTo) -> None:
    assert (await connect("content-parts").complete(HI)).text == "Good day."


async def test_strange_characters_arrive_as_they_were_sent(connect: ConnectTo) -> None:
    assert (await connect("strange").complete(HI)).text == STRANGE_TEXT


async def test_strange_characters_are_sent_as_they_are(connect: ConnectTo) -> None:
    request = replace(HI, messages=[{"role": "user", "content": STRANGE_TEXT}])
    sent = json.loads((await connect("echo").complete(request)).text)
    assert sent["body"]["messages"] == request.messages


async def test_a_request_larger_than_a_megabyte_is_sent(connect: ConnectTo) -> None:
    request = replace(HI, messages=[{"role": "user", "content": "x" * 3_000_000}])
    assert (await connect("text").complete(request)).text == "Good morning."


async def test_what_json_cannot_hold_is_rejected_before_anything_is_sent(
    connect: ConnectTo, model: Name, server: RunningServer
) -> None:
    name = model("text")
    with pytest.raises(RolloutError, match="cannot be written as JSON") as caught:
        await connect(name).complete(replace(HI, messages=[{"role": "user", "content": "\ud800"}]))
    assert (caught.value.kind, caught.value.fatal) == (FailureKind.REJECTED, False)
    assert server.requests(name).asked == 0


async def test_no_more_requests_are_open_than_connections_allowed(
    connect: ConnectTo, model: Name, server: RunningServer
) -> None:
    name = model("slow")
    client = connect(name, max_connections=3)
    await asyncio.gather(*(client.complete(HI) for _ in range(9)))
    assert server.requests(name).most_open == 3


async def test_waiting_for_a_connection_is_no_part_of_the_deadline(connect: ConnectTo) -> None:
    client = connect("slow", max_connections=1, timeout_s=1.0, max_retries=0)
    replies = await asyncio.gather(*(client.complete(HI) for _ in range(11)))
    assert len(replies) == 11  # a tenth of a second each, one after the other


async def test_a_cancelled_call_gives_its_connection_back(
    connect: ConnectTo, model: Name, server: RunningServer
) -> None:
    client = connect(model("slow"), max_connections=1)
    cancelled = asyncio.create_task(client.complete(HI))
    while server.requests(model("slow")).asked == 0:
        await asyncio.sleep(0.005)
    cancelled.cancel()
    assert (await client.complete(HI)).text == "Sorry for the wait."
    assert cancelled.cancelled()
