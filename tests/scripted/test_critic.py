"""The scripted critic and the casting that makes it."""

from __future__ import annotations

import pickle

import pytest

from actors.scripted import FLAT, CriticRates, Difficulty, ErrorRates, ScriptedCasting, ScriptedCritic
from rollouts.episode import Approve, Draft, Revise, Task
from rollouts.estimates import jeffreys_interval
from rollouts.protocols import NoCritic, Question
from tests.scripted.plays import SOMETIMES, cast_for, conversation, places, play, value
from tests.scripted.shop import TASKS, ShopEnvironment

SHOP = ShopEnvironment()
TWO = TASKS[1]
BRIEFING = SHOP.briefing(TWO)
WRONG = Draft(text="Goodbye.")
NUM_QUESTIONS = 500


async def share_revised(*, rates: CriticRates, wrong: bool) -> float:
    """Of the verdicts on wrong (or right) drafts over the places of one play."""
    cast, actor = cast_for(TWO)
    critic = ScriptedCritic(TWO, rates=rates)
    questions = []
    async for state in places(SHOP, cast, TWO, num_plays=1):
        draft = WRONG if wrong else actor.right_draft(state.conversation, BRIEFING)
        questions += [
            Question(conversation=state.conversation, briefing=BRIEFING, draft=draft, seed=seed)
            for seed in range(NUM_QUESTIONS)
        ]
    verdicts = [judgement.verdict for judgement in await critic.judge(questions)]
    assert all(isinstance(verdict, Approve | Revise) for verdict in verdicts)
    revised = sum(isinstance(verdict, Revise) for verdict in verdicts)
    interval = jeffreys_interval(revised, len(verdicts), level=0.999)
    expected = rates.hit_rate if wrong else rates.false_alarm_rate
    assert interval.lower - 0.02 <= expected <= interval.upper + 0.02
    return revised / len(verdicts)


@pytest.mark.parametrize("wrong", [True, False])
async def test_verdicts_come_at_the_given_rates(wrong: bool) -> None:
    assert 0 < await share_revised(rates=CriticRates(hit_rate=0.7, false_alarm_rate=0.2), wrong=wrong) < 1
    assert await share_revised(rates=CriticRates(hit_rate=1.0, false_alarm_rate=0.0), wrong=wrong) == float(wrong)


async def test_equal_questions_get_equal_answers_in_order() -> None:
    critic = ScriptedCritic(TWO, rates=CriticRates(hit_rate=0.5))
    questions = [Question(conversation=(), briefing=BRIEFING, draft=WRONG, seed=seed) for seed in range(50)]
    together = await critic.judge(questions)
    alone = [(await ScriptedCritic(TWO, rates=CriticRates(hit_rate=0.5)).judge([one]))[0] for one in questions]
    assert list(together) == alone


async def test_an_objection_to_a_wrong_draft_says_what_would_be_right() -> None:
    cast, actor = cast_for(TWO)
    critic = ScriptedCritic(TWO, rates=CriticRates(hit_rate=1.0))
    async for state in places(SHOP, cast, TWO, num_plays=1):
        right = actor.right_draft(state.conversation, BRIEFING)
        [judgement] = await critic.judge(
            [Question(conversation=state.conversation, briefing=BRIEFING, draft=WRONG, seed=0)]
        )
        assert isinstance(judgement.verdict, Revise)
        named = right.tool_calls[0].name if right.tool_calls else right.text
        assert named in judgement.verdict.feedback


async def test_a_good_critic_makes_an_erring_actor_solve_more_and_a_bad_one_less() -> None:
    async def solved(critic: NoCritic | CriticRates) -> float:
        cast = ScriptedCasting(errors=SOMETIMES, difficulty=FLAT, seed=0, critic=critic).cast(TWO)
        plays = [await play(SHOP, cast, TWO, seed=seed, supervised=True) for seed in range(200)]
        return sum(map(value, plays)) / len(plays)

    alone = await solved(NoCritic())
    assert await solved(CriticRates(hit_rate=1.0, false_alarm_rate=0.0)) > alone + 0.2
    assert await solved(CriticRates(hit_rate=0.0, false_alarm_rate=1.0)) < alone - 0.1


@pytest.mark.parametrize("critic", [NoCritic(), CriticRates()], ids=["none", "scripted"])
async def test_a_casting_is_the_same_after_pickling(critic: NoCritic | CriticRates) -> None:
    casting = ScriptedCasting(errors=SOMETIMES, difficulty=Difficulty(), seed=3, critic=critic)
    copy: ScriptedCasting = pickle.loads(pickle.dumps(casting))  # noqa: S301
    for task in TASKS:
        one, other = [
            conversation(await play(SHOP, made.cast(task), task, seed=1, supervised=True)) for made in (casting, copy)
        ]
        assert one == other
    await casting.close()


@pytest.mark.parametrize("task", TASKS[:2], ids=lambda task: task.task_id)
def test_everyone_who_is_scripted_says_so(task: Task) -> None:
    _, actor = cast_for(task)
    critic = ScriptedCritic(task, rates=CriticRates())
    user = ScriptedCasting(errors=ErrorRates(), difficulty=FLAT, seed=0).cast(task).user
    identities = [actor.identity, critic.identity, getattr(user, "identity", "")]
    assert all(identity.startswith("scripted:") for identity in identities)


def test_a_rate_of_the_critic_that_is_no_probability_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"hit_rate must be a probability in \[0, 1\], got 80"):
        CriticRates(hit_rate=80)
