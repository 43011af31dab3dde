"""The actor without tool calling: what it is told, what becomes of its text, what is asked again."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat_asking import MAX_ASKS, Unusable
from actors.chat_client import ChatClient
from actors.chat_react import REACT_PROMPT, ReActActor, ReActTurn, Say, react_messages, read_turn
from actors.chat_wire import Reply
from rollouts.episode import AssistantMessage, Conversation, Draft, ToolCall, ToolMessage, UserMessage
from rollouts.errors import FailureKind, RolloutError
from tests.chat.reviewer import reviewer
from tests.chat.samples import BRIEFING, LOOKED_UP, endpoint
from tests.chat.script import Script, last_words, said, times

LOOK_UP = 'Thought: SECRET plan\nAction: {"tool":"get_order","arguments":{"order_id":"#W1"}}'
SPEAK = 'Thought: SECRET plan\nAction: {"say":"It was shipped."}'


async def _draft(
    *replies: Reply | str, conversation: Conversation = LOOKED_UP, feedback: tuple[str, ...] = ()
) -> tuple[Draft, Script]:
    model = Script(*replies)
    return await ReActActor(model).act(conversation, BRIEFING, seed=7, feedback=feedback), model


# -- the answer -------------------------------------------------------------------------------------------------------


async def test_a_call_becomes_a_draft_with_an_id_of_its_own_and_the_thought_stays_inside() -> None:
    draft, _ = await _draft(LOOK_UP)
    [call] = draft.tool_calls
    assert (call.name, call.arguments) == ("get_order", {"order_id": "#W1"})
    assert call.call_id not in ("", "call_0")
    assert (draft.text, draft.reasoning, draft.usage) == ("", "SECRET plan", times(1))


async def test_the_customer_gets_what_the_action_says_and_nothing_of_the_thought() -> None:
    draft, _ = await _draft(said(SPEAK, reasoning="beside"))
    assert (draft.text, draft.tool_calls) == ("It was shipped.", ())
    assert draft.reasoning == "beside\n\nSECRET plan"


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ('Action: {"say":" Hi. "}', ReActTurn(thought="", action=Say(text="Hi."))),
        ('No label.\nAction:\n```json\n{"say":"Hi."}\n```', ReActTurn(thought="No label.", action=Say(text="Hi."))),
        (
            'Thought: "Action:" inside a line is no action.\nAction: {"say":"a\\nAction: {}"}',
            ReActTurn(thought='"Action:" inside a line is no action.', action=Say(text="a\nAction: {}")),
        ),
        (
            'Thought: t\nAction: {"arguments":{},"tool":"dance"}',
            ReActTurn(thought="t", action=ToolCall(call_id="", name="dance", arguments={})),
        ),
    ],
)
def test_what_keeps_to_the_form_is_read(text: str, turn: ReActTurn) -> None:
    assert read_turn(text) == turn


MALFORMED = [
    "I will look that up for you.",
    "Thought: I have to look it up.",
    'action: {"say":"Hi."}',
    'Action: {"say":"Hi."}\nObservation from get_order: shipped',
    'Action: {"say":"Hi."}\nAction: {"say":"Bye."}',
    'Action: {"say":"Hi."} {"say":"Bye."}',
    'Action: {"say":"Hi.","tool":"get_order","arguments":{}}',
    'Action: {"say":""}',
    'Action: {"say":["Hi."]}',
    'Action: {"tool":"get_order"}',
    'Action: {"tool":"get_order","arguments":"#W1"}',
    'Action: {"tool":"get order!","arguments":{}}',
    'Action: {"tool":7,"arguments":{}}',
    'Action: ["say","Hi."]',
    'Action: {"say":"Hi."',
    "Action: get_order(order_id='#W1')",
    "Action: " + "[" * 100_000,
    "Action:",
]


@pytest.mark.parametrize("text", MALFORMED)
def test_what_does_not_keep_to_the_form_is_no_action(text: str) -> None:
    with pytest.raises(Unusable):
        read_turn(text)


@given(st.text(alphabet='Action:Thought \n{}"say\\tolrgumens,`'))
def test_whatever_a_model_says_is_an_action_in_the_form_or_none(text: str) -> None:
    try:
        turn = read_turn(text)
    except Unusable:
        return
    assert isinstance(turn.action, ToolCall) or turn.action.text.strip()


async def test_a_reply_out_of_form_is_asked_for_again_with_what_was_wrong_and_paid_for() -> None:
    draft, model = await _draft("It was shipped, SECRET.", LOOK_UP)
    first, second = model.asked
    assert (draft.text, draft.reasoning) == ("", "SECRET plan")
    assert 'one line has to begin with "Action:"' in last_words(second)
    assert first.seed == 7 != second.seed
    assert draft.usage == times(2)


async def test_an_actor_that_never_keeps_to_the_form_is_rejected_and_its_replies_are_paid_for() -> None:
    with pytest.raises(RolloutError, match=f"no usable reply in {MAX_ASKS} asks") as caught:
        await _draft(*["Hello!"] * MAX_ASKS)
    assert (caught.value.kind, caught.value.fatal, caught.value.usage) == (FailureKind.REJECTED, False, times(MAX_ASKS))


# -- the question -----------------------------------------------------------------------------------------------------


async def test_the_model_is_told_policy_form_and_tools_in_text_and_gets_no_tools() -> None:
    _, model = await _draft(SPEAK)
    [asked] = model.asked
    system = str(asked.messages[0]["content"])
    assert asked.tools == []
    assert system.startswith(BRIEFING.policy)
    assert json.loads(system.splitlines()[-1])["name"] == "get_order"
    assert BRIEFING.user_instructions not in json.dumps(asked.messages)


def test_the_conversation_reads_as_the_model_would_have_written_it() -> None:
    assert [message["content"] for message in react_messages(LOOKED_UP, BRIEFING)[1:]] == [
        "Customer: Where is #W1?",
        'Thought: THOUGHT beside a call\nAction: {"tool":"get_order","arguments":{"order_id":"#W1","full":true}}',
        "Observation from get_order: RESULT shipped",
        'Action: {"say":"It was shipped."}',
        "Customer: When?",
    ]


def test_an_action_of_the_conversation_is_read_as_it_was_done() -> None:
    called, spoken = (
        message["content"] for message in react_messages(LOOKED_UP, BRIEFING) if message["role"] == "assistant"
    )
    assert read_turn(str(called)).action == ToolCall(
        call_id="", name="get_order", arguments={"order_id": "#W1", "full": True}
    )
    assert read_turn(str(spoken)).action == Say(text="It was shipped.")


def test_an_error_of_a_tool_is_named_and_the_users_own_tools_are_hidden() -> None:
    conversation: Conversation = (
        UserMessage(text="", tool_calls=(ToolCall(call_id="u1", name="reboot", arguments={}),)),
        ToolMessage(call_id="u1", name="reboot", content="OFF", side="user"),
        ToolMessage(call_id="a1", name="get_order", content="no such order", is_error=True),
    )
    [_, observed] = react_messages(conversation, BRIEFING)
    assert observed["content"] == "Observation from get_order (an error): no such order"


async def test_the_two_sides_take_turns_whatever_notes_there_are() -> None:
    twice: Conversation = (
        *LOOKED_UP,
        UserMessage(text="Well?"),
        AssistantMessage(text="Soon."),
        UserMessage(text="OK."),
    )
    _, model = await _draft("Hello!", SPEAK, conversation=twice, feedback=("Check the date.",))
    for asked in model.asked:
        roles = [message["role"] for message in asked.messages]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
    assert "Customer: OK.\n\n[Note from a reviewer" in last_words(model.asked[0])
    assert "- Check the date." in last_words(model.asked[1])


def test_the_actor_is_identified_by_its_endpoint_and_its_prompt() -> None:
    assert ReActActor(Script()).identity == f"chat:m/temperature=1/max_tokens=1024/prompt={REACT_PROMPT}"


async def test_it_acts_over_http() -> None:
    async with reviewer() as base_url:
        client = ChatClient(endpoint(base_url, "react"), jitter=random.Random(0))
        draft = await ReActActor(client).act(LOOKED_UP, BRIEFING, seed=0)
        await client.close()
    assert (draft.text, draft.reasoning) == ("It was shipped.", "The customer wants to know.")
