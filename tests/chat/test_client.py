"""What the client makes of good answers, in both protocols, and how many it asks for at once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from actors.chat_endpoint import Price
from actors.chat_messages import wire_tools
from actors.chat_wire import MalformedCall
from rollouts.episode import ToolCall, Usage
from rollouts.errors import FailureKind, RolloutError
from tests.chat.conftest import ConnectTo
from tests.chat.personalities import FAULTS_BEFORE_TEXT, STRANGE_TEXT
from tests.chat.process import RunningServer
from tests.chat.samples import GET_ORDER, HI, SCHEMA, counts_of, saying

Name = Callable[[str], str]


async def test_a_reply_has_its_text_finish_reason_and_usage(talk: ConnectTo) -> None:
    reply = await talk("text", price=Price(prompt_usd=2.0, completion_usd=10.0, cached_usd=0.5)).complete(HI)
    assert (reply.text, reply.finish_reason, reply.tool_calls, reply.attempts) == ("Good morning.", "stop", (), 1)
    cost_usd = (400 * 2.0 + 600 * 0.5 + 10 * 10.0) / 1_000_000
    assert counts_of(reply.usage) == Usage(
        prompt_tokens=1000, completion_tokens=10, cached_tokens=600, cost_usd=cost_usd
    )


async def test_without_a_price_the_cost_is_unknown_and_not_zero(talk: ConnectTo) -> None:
    assert counts_of((await talk("text").complete(HI)).usage).cost_usd is None


async def test_without_the_endpoints_count_the_cost_is_unknown_even_with_a_price(talk: ConnectTo) -> None:
    reply = await talk("no-usage", price=Price(prompt_usd=2.0, completion_usd=10.0)).complete(HI)
    assert counts_of(reply.usage) == Usage(cost_usd=None)


@pytest.mark.parametrize(("protocol", "word"), [("openai", "stop"), ("anthropic", "end_turn")])
async def test_a_paid_reply_says_the_model_the_endpoints_own_word_and_the_times(
    connect: ConnectTo, model: Name, protocol: str, word: str
) -> None:
    """The clock is read when the call begins, when each request is sent and when its reply is there."""
    name, ticks = model("storm-then-text"), iter([0.0, 1.0, 10.0, 30.0, 35.0])
    reply = await connect(name, protocol=protocol, clock=lambda: next(ticks)).complete(HI)
    (paid,) = reply.usage.replies
    assert (paid.model, paid.finish_reason, paid.attempts) == (name, word, FAULTS_BEFORE_TEXT + 1)
    assert (paid.wait_s, paid.latency_s) == (30.0, 5.0)


async def test_tool_calls_arrive_in_order_with_parsed_arguments(talk: ConnectTo) -> None:
    assert (await talk("several-tools").complete(HI)).tool_calls == (
        ToolCall(call_id="call_a", name="get_order", arguments={"order_id": "#W1"}),
        ToolCall(call_id="call_b", name="get_user", arguments={"user_id": "u1"}),
    )


async def test_absent_arguments_are_no_arguments(talk: ConnectTo) -> None:
    (call,) = (await talk("no-arguments").complete(HI)).tool_calls
    assert call == ToolCall(call_id="call_0", name="list_tools", arguments={})


@pytest.mark.parametrize(
    ("personality", "problem"),
    [("malformed", "no JSON"), ("array-arguments", "no JSON object"), ("nameless", "no tool's name")],
)
async def test_a_call_that_nobody_can_execute_is_a_malformed_call(
    talk: ConnectTo, personality: str, problem: str
) -> None:
    (call,) = (await talk(personality).complete(HI)).tool_calls
    assert isinstance(call, MalformedCall)
    assert problem in call.problem


async def test_reasoning_is_kept_apart(talk: ConnectTo) -> None:
    reply = await talk("reasoning").complete(HI)
    assert (reply.reasoning, reply.text) == ("The order exists.", "Yes.")


async def test_a_reply_in_the_form_of_a_schema_is_its_json_text(talk: ConnectTo) -> None:
    reply = await talk("form").complete(replace(HI, response_schema=SCHEMA))
    assert json.loads(reply.text) == {"verdict": "approve", "reasons": []}
    assert reply.tool_calls == ()


async def test_a_form_may_be_asked_for_beside_tools(talk: ConnectTo) -> None:
    request = replace(HI, tools=wire_tools([GET_ORDER]), response_schema=SCHEMA)
    assert json.loads((await talk("form").complete(request)).text)["verdict"] == "approve"


async def test_without_a_schema_the_model_may_write_what_it_likes(talk: ConnectTo) -> None:
    assert (await talk("form").complete(HI)).text == "In what form?"


async def test_text_in_parts_is_one_text(talk: ConnectTo) -> None:
    assert (await talk("content-parts").complete(HI)).text == "Good day."


async def test_strange_characters_arrive_as_they_were_sent(talk: ConnectTo) -> None:
    assert (await talk("strange").complete(HI)).text == STRANGE_TEXT


async def test_strange_characters_are_sent_as_they_are(talk: ConnectTo) -> None:
    sent = json.loads((await talk("echo").complete(saying(STRANGE_TEXT))).text)
    (message,) = sent["body"]["messages"]
    assert message["content"] in (STRANGE_TEXT, [{"type": "text", "text": STRANGE_TEXT}])


async def test_a_request_larger_than_a_megabyte_is_sent(talk: ConnectTo) -> None:
    assert (await talk("text").complete(saying("x" * 3_000_000))).text == "Good morning."


async def test_what_json_cannot_hold_is_rejected_before_anything_is_sent(
    talk: ConnectTo, model: Name, server: RunningServer
) -> None:
    name = model("text")
    with pytest.raises(RolloutError, match="cannot be written as JSON") as caught:
        await talk(name).complete(saying("\ud800"))
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


async def test_a_cancelled_call_gives_its_connection_back(talk: ConnectTo, model: Name, server: RunningServer) -> None:
    client = talk(model("slow"), max_connections=1)
    cancelled = asyncio.create_task(client.complete(HI))
    while server.requests(model("slow")).asked == 0:
        await asyncio.sleep(0.005)
    cancelled.cancel()
    assert (await client.complete(HI)).text == "Sorry for the wait."
    assert cancelled.cancelled()
