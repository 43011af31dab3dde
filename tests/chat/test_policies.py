"""The chat actor and the chat user: what becomes a draft, what is asked again, what is a failure."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from actors.chat_asking import MAX_ASKS
from actors.chat_endpoint import Price
from actors.chat_policy import ChatActor, ChatUser
from rollouts.episode import AssistantMessage, Conversation, Draft, ToolCall, ToolMessage, Usage, UserMessage
from rollouts.errors import FailureKind, RolloutError
from rollouts.protocols import Policy
from tests.chat.conftest import ConnectTo
from tests.chat.personalities import GOODBYE, OPENING, STOP
from tests.chat.process import RunningServer
from tests.chat.samples import BRIEFING, LOOKED_UP, counts_of
from tests.chat.script import Script, said, times

Name = Callable[[str], str]
FREE = Price(prompt_usd=1.0, completion_usd=1.0)


async def _draft(policy: Policy, conversation: Conversation = LOOKED_UP, *, feedback: tuple[str, ...] = ()) -> Draft:
    return await policy.act(conversation, BRIEFING, seed=7, feedback=feedback)


async def test_an_actors_draft_has_calls_reasoning_and_usage(connect: ConnectTo) -> None:
    draft = await _draft(ChatActor(connect("several-tools", price=FREE)))
    assert [call.name for call in draft.tool_calls] == ["get_order", "get_user"]
    assert counts_of(draft.usage) == Usage(
        prompt_tokens=1000, completion_tokens=10, cached_tokens=600, cost_usd=0.00101
    )
    assert (await _draft(ChatActor(connect("reasoning")))).reasoning == "The order exists."


async def test_the_actor_is_asked_with_policy_tools_seed_and_feedback(connect: ConnectTo) -> None:
    sent = json.loads((await _draft(ChatActor(connect("echo")), feedback=("Check the date.",))).text)["body"]
    assert sent["messages"][0]["content"] == BRIEFING.policy
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["get_order"]
    assert (sent["seed"], sent["tool_choice"]) == (7, "auto")
    assert "Check the date." in sent["messages"][-1]["content"]


async def test_the_user_is_asked_without_tools_or_policy(connect: ConnectTo) -> None:
    text = (await _draft(ChatUser(connect("echo")))).text
    sent = json.loads(text)["body"]
    assert sent.keys() == {"model", "messages", "max_tokens", "temperature", "seed"}
    assert sent["messages"][0]["content"] == BRIEFING.user_instructions
    assert BRIEFING.policy not in text


async def test_a_malformed_call_is_asked_again_and_both_replies_are_accounted_for(
    connect: ConnectTo, model: Name, server: RunningServer
) -> None:
    name = model("malformed-then-text")
    draft = await _draft(ChatActor(connect(name, price=FREE)))
    assert (draft.text, draft.tool_calls) == ("In words, then.", ())
    assert counts_of(draft.usage) == Usage(
        calls=2, prompt_tokens=2000, completion_tokens=20, cached_tokens=1200, cost_usd=0.00202
    )
    assert server.requests(name).asked == 2


@pytest.mark.parametrize(
    "personality", ["malformed", "array-arguments", "nameless", "empty", "null", "thinking-too-long"]
)
async def test_an_actor_that_never_gives_an_action_is_rejected_after_a_few_asks(
    connect: ConnectTo, model: Name, server: RunningServer, personality: str
) -> None:
    name = model(personality)
    with pytest.raises(RolloutError, match=f"no usable reply in {MAX_ASKS} asks") as caught:
        await _draft(ChatActor(connect(name)))
    assert (caught.value.kind, caught.value.fatal) == (FailureKind.REJECTED, False)
    assert server.requests(name).asked == MAX_ASKS
    assert caught.value.usage is not None
    assert len(caught.value.usage.replies) == MAX_ASKS


async def test_an_error_carries_what_the_replies_before_it_used() -> None:
    broken = RolloutError("broken", kind=FailureKind.CONTEXT_LENGTH)
    with pytest.raises(RolloutError, match="broken") as caught:
        await _draft(ChatActor(Script("", "", broken)))
    assert caught.value.usage == times(2)


async def test_siblings_of_a_fork_share_a_cache_key_and_other_conversations_have_another() -> None:
    model = Script(*["Hi."] * 5)
    siblings = [LOOKED_UP, (*LOOKED_UP, AssistantMessage(text="Soon.")), LOOKED_UP[:1]]
    for conversation in siblings:
        await _draft(ChatActor(model), conversation)
    await _draft(ChatActor(model), (UserMessage(text="Another case."),))
    await _draft(ChatUser(model))
    one, two, three, other, user = [asked.cache_key for asked in model.asked]
    assert one == two == three
    assert len({one, other, user}) == 3


async def test_a_users_calls_of_tools_that_it_does_not_have_are_not_looked_at() -> None:
    call = ToolCall(call_id="1", name="reboot", arguments={})
    assert (await _draft(ChatUser(Script(said("Done.", calls=(call,)))))).tool_calls == ()


@pytest.mark.parametrize("personality", ["empty", "tool"])
async def test_a_user_without_words_is_a_failure_of_the_simulator(
    connect: ConnectTo, model: Name, server: RunningServer, personality: str
) -> None:
    name = model(personality)
    with pytest.raises(RolloutError) as caught:
        await _draft(ChatUser(connect(name)))
    assert (caught.value.kind, caught.value.fatal) == (FailureKind.SIMULATOR, False)
    assert server.requests(name).asked == MAX_ASKS


async def test_no_two_calls_of_a_conversation_share_an_id(connect: ConnectTo) -> None:
    draft = await _draft(ChatActor(connect("twin-ids")))  # call_0 is in the conversation already, and comes twice
    ids = [call.call_id for call in draft.tool_calls]
    assert len({"call_0", *ids}) == 3


async def test_both_policies_are_identified_by_their_endpoint(connect: ConnectTo) -> None:
    client = connect("text", temperature=0.5)
    assert ChatActor(client).identity == ChatUser(client).identity == "chat:text/temperature=0.5/max_tokens=1024"


async def test_a_chat_user_never_hands_on_a_tool_call(connect: ConnectTo) -> None:
    assert (await _draft(ChatUser(connect("user")))).tool_calls == ()


async def test_the_shop_and_its_user_play_an_episode(connect: ConnectTo) -> None:
    actor, user = ChatActor(connect("shop")), ChatUser(connect("user"))
    conversation: Conversation = ()
    opening = await _draft(user, conversation)
    conversation += (UserMessage(text=opening.text),)
    look_up = await _draft(actor, conversation)
    assert look_up.tool_calls == (ToolCall(call_id="call_0", name="get_order", arguments={"order_id": "unknown"}),)
    conversation += (
        AssistantMessage(text=look_up.text, tool_calls=look_up.tool_calls),
        ToolMessage(call_id="call_0", name="get_order", content="no such order", is_error=True),
    )
    goodbye = await _draft(actor, conversation)
    conversation += (AssistantMessage(text=goodbye.text),)
    assert [opening.text, goodbye.text, (await _draft(user, conversation)).text] == [OPENING, GOODBYE, STOP]
