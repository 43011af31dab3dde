"""A user that thinks twice before it ends the conversation."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat_asking import MAX_ASKS
from actors.chat_messages import user_messages
from actors.chat_policy import ChatUser
from actors.chat_reflection import REFLECTION_PROMPT, unmet_goals
from actors.chat_wire import Reply
from rollouts.episode import Briefing, Draft, ToolCall, ToolSpec
from rollouts.errors import FailureKind, RolloutError
from tests.chat.samples import BRIEFING, LOOKED_UP
from tests.chat.script import ONE, Script, last_words, said, times

LAST = "Bye. ###STOP###"
NOTHING, SOMETHING = '{"unmet":""}', '{"unmet":"Ask for the refund."}'
REBOOT = ToolSpec(name="reboot", description="", parameters={"type": "object", "properties": {}}, kind="write")
EQUIPPED = Briefing(policy="", tools=(), user_instructions="SCENARIO", user_tools=(REBOOT,))


def ends(text: str) -> bool:
    return "###STOP###" in text


async def _draft(*replies: Reply | str | RolloutError, briefing: Briefing = BRIEFING) -> tuple[Draft, Script]:
    model = Script(*replies)
    return await ChatUser(model, reflect_before=ends).act(LOOKED_UP, briefing, seed=7), model


async def test_a_message_that_ends_nothing_is_not_thought_over() -> None:
    draft, model = await _draft("And the refund?")
    assert (draft.text, draft.usage, len(model.asked)) == ("And the refund?", ONE, 1)


async def test_a_last_message_stands_when_nothing_is_left_and_both_replies_are_paid_for() -> None:
    draft, model = await _draft(LAST, NOTHING)
    assert (draft.text, draft.usage) == (LAST, times(2))
    first, second = model.asked
    assert second.messages[:-2] == first.messages == user_messages(LOOKED_UP, BRIEFING)
    assert second.messages[-2] == {"role": "assistant", "content": LAST}
    assert second.response_schema is not None
    assert (second.tool_choice, second.cache_key) == ("none", first.cache_key)


async def test_a_user_that_left_too_early_says_something_else() -> None:
    draft, model = await _draft(LAST, SOMETHING, "And my refund?")
    assert (draft.text, draft.usage) == ("And my refund?", times(3))
    assert "Ask for the refund." in last_words(model.asked[2])
    assert model.asked[2].response_schema is None
    assert len({asked.seed for asked in model.asked}) == 3


async def test_the_second_last_message_stands_so_that_a_turn_ends() -> None:
    draft, model = await _draft(LAST, SOMETHING, LAST)
    assert (draft.text, len(model.asked)) == (LAST, 3)


@pytest.mark.parametrize(
    "vague", ["All met, I think.", '{"unmet":"a"} {"unmet":"b"}', '{"unmet":null}', "", '{"unmet":']
)
async def test_an_answer_that_cannot_be_read_lets_the_message_stand(vague: str) -> None:
    assert (await _draft(LAST, vague))[0].text == LAST


async def test_a_call_of_the_users_is_no_message_and_tools_cannot_be_called_in_reflection() -> None:
    call = ToolCall(call_id="1", name="reboot", arguments={})
    draft, model = await _draft(said(LAST, calls=(call,)), briefing=EQUIPPED)
    assert (len(draft.tool_calls), len(model.asked)) == (1, 1)
    _, model = await _draft(LAST, NOTHING, briefing=EQUIPPED)
    assert [asked.tool_choice for asked in model.asked] == ["auto", "none"]
    assert all(asked.tools for asked in model.asked)


@pytest.mark.parametrize("replies", [[LAST], [LAST, SOMETHING], [LAST, SOMETHING, ""]])
async def test_whatever_fails_on_the_way_what_was_paid_for_is_not_lost(replies: list[str]) -> None:
    with pytest.raises(RolloutError, match="broken") as caught:
        await _draft(*replies, RolloutError("broken", kind=FailureKind.INFRASTRUCTURE))
    assert caught.value.usage == times(len(replies))


async def test_a_user_that_finds_no_other_words_is_a_failure_of_the_simulator() -> None:
    with pytest.raises(RolloutError, match="no usable reply") as caught:
        await _draft(LAST, SOMETHING, *[""] * MAX_ASKS)
    assert (caught.value.kind, caught.value.usage) == (FailureKind.SIMULATOR, times(2 + MAX_ASKS))


@given(st.text(max_size=200))
def test_what_is_left_is_read_as_it_is_meant(text: str) -> None:
    assert unmet_goals(f"So: {json.dumps({'unmet': text})}") == text.strip()


def test_a_user_that_reflects_is_another_user() -> None:
    plain, reflecting = ChatUser(Script()), ChatUser(Script(), reflect_before=ends)
    assert reflecting.identity == f"{plain.identity}/prompt={REFLECTION_PROMPT}"
