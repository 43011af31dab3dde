"""The scripted user: opens, confirms what is right, objects to what is not, and stops."""

from __future__ import annotations

import math

import pytest

from actors.scripted import ErrorKind, ScriptedUser
from rollouts.episode import AssistantMessage, Conversation, Draft, Task, UserMessage
from tests.scripted.plays import SOMETIMES, cast_for, conversation, places, play, value
from tests.scripted.shop import EMAIL, TASKS, ShopEnvironment

SHOP = ShopEnvironment()
TWO = TASKS[1]
BRIEFING = SHOP.briefing(TWO)


def replies(user: ScriptedUser, said: Conversation) -> dict[str, float]:
    return {draft.text: probability for probability, draft in user.outcomes(said, BRIEFING)}


async def question(kind: ErrorKind | None) -> tuple[Conversation, Draft]:
    """A conversation up to a question before a write, and the question: right, or with the given mistake."""
    cast, actor = cast_for(TWO, errors=SOMETIMES)
    async for state in places(SHOP, cast, TWO, num_plays=1):
        options = actor.options(state.conversation, BRIEFING)
        drafts = [draft for _, draft in actor.outcomes(state.conversation, BRIEFING)]
        for option, draft in zip(options, drafts, strict=True):
            if option.kind is kind and draft.text.endswith("(yes/no)"):
                return state.conversation, draft
    raise AssertionError("no such question")


def test_the_opening_tells_the_scenario_in_the_first_person() -> None:
    for text in replies(ScriptedUser(TWO), ()):
        assert "I want my order put right." in text and f"I am Ada, my email is {EMAIL}." in text


@pytest.mark.parametrize("task", TASKS, ids=[task.task_id for task in TASKS])
async def test_probabilities_sum_to_one_and_replies_are_few_and_distinct(task: Task) -> None:
    cast, actor = cast_for(task, errors=SOMETIMES)
    user, briefing = ScriptedUser(task), SHOP.briefing(task)
    async for state in places(SHOP, cast, task, num_plays=5):
        for _, draft in actor.outcomes(state.conversation, briefing):
            outcomes = user.outcomes((*state.conversation, AssistantMessage(text=draft.text)), briefing)
            assert math.isclose(sum(probability for probability, _ in outcomes), 1.0)
            assert len({reply.text for _, reply in outcomes}) == len(outcomes) <= 3


async def test_a_right_question_is_answered_yes_or_with_one_question_back() -> None:
    before, draft = await question(None)
    asked = (*before, AssistantMessage(text=draft.text))
    answers = replies(ScriptedUser(TWO), asked)
    [back] = [text for text in answers if text.endswith("?")]
    assert all(text.startswith("Yes") for text in answers if text != back)
    again = replies(ScriptedUser(TWO), (*asked, UserMessage(text=back), AssistantMessage(text=draft.text)))
    assert all(text.startswith("Yes") for text in again)


async def test_a_wrong_question_is_answered_with_the_right_details_and_then_asked_rightly() -> None:
    _, actor = cast_for(TWO)
    before, wrong = await question(ErrorKind.WRONG_ARGUMENT)
    asked = (*before, AssistantMessage(text=wrong.text))
    [objection] = replies(ScriptedUser(TWO), asked)
    right = actor.right_draft(before, BRIEFING)
    assert objection.startswith("No") and set(right.text.splitlines()[1:-1]) <= set(objection.splitlines())
    assert actor.outcomes((*asked, UserMessage(text=objection)), BRIEFING) == ((1.0, right),)


async def test_what_was_left_untold_is_asked_for_once_at_most() -> None:
    user = ScriptedUser(TWO, reminds=0.5)
    partial = AssistantMessage(text="Here is what you asked about: 42.50. Is there anything else I can help you with?")
    answers = replies(user, (UserMessage(text="Hello."), partial))
    [reminder] = [text for text in answers if SHOP.user_stop(text) is None]
    assert answers[reminder] == 0.5
    again = replies(user, (partial, UserMessage(text=reminder), partial))
    assert [SHOP.user_stop(text) is not None for text in again] == [True]


async def test_a_reminded_actor_tells_everything() -> None:
    cast, _ = cast_for(TWO, errors=SOMETIMES)
    reminded = 0
    for seed in range(200):
        played = await play(SHOP, cast, TWO, seed=seed)
        texts = [m.text for m in conversation(played) if isinstance(m, UserMessage)]
        if any("You have not told me everything" in text for text in texts):
            reminded += 1
            assert played.episode.steps[-1].action.text.count("42.50; Blue") == 1
    assert reminded > 3


async def test_user_seeds_matter() -> None:
    cast, _ = cast_for(TWO)
    user = cast.user
    assert len({(await user.act((), BRIEFING, seed=seed)).text for seed in range(20)}) == 2
    assert value(await play(SHOP, cast, TWO, seed=0)) == 1.0


async def test_to_words_that_are_in_no_script_it_says_go_on() -> None:
    strange = (UserMessage(text="Hello."), AssistantMessage(text="How is the weather over there?"))
    assert list(replies(ScriptedUser(TWO), strange)) == ["Okay. Please go on."]
