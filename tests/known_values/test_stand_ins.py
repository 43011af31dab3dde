"""The actor, the user and the critic: functions of what their side sees, with distributions that can be listed."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.environments.known_values import FAMILIES, KnownActor, KnownUser, Parameters, stand_ins
from actors.environments.known_values.draws import described
from actors.environments.known_values.words import ADVICE, line
from actors.scripted import CriticRates
from rollouts.episode import Draft, Finished, Revise, ToolCall, seen_by_actor, seen_by_user
from rollouts.estimates import jeffreys_interval
from rollouts.identity import action_key
from rollouts.protocols import Question
from tests.known_values.worlds import ODD, family, small_worlds, world
from tests.scripted.plays import conversation, places, play, play_on, value

by_family = pytest.mark.parametrize("name", FAMILIES)
REFUSED = Draft(text="", tool_calls=(ToolCall(call_id="odd", name="act", arguments={"stage": -1, "option": "a"}),))


@by_family
async def test_probabilities_sum_to_one_and_actions_are_distinct_in_every_state(name: str) -> None:
    environment, task, cast = family(name)
    briefing, actor = environment.briefing(task), KnownActor(task)
    kinds = set()
    async for state in places(environment, cast, task, num_plays=30):
        advice = ADVICE + described(actor.outcomes(state.conversation, briefing)[-1][1])
        for feedback in ((), ("That is wrong.",), (advice,)):
            outcomes = actor.outcomes(state.conversation, briefing, feedback)
            assert math.isclose(sum(probability for probability, _ in outcomes), 1.0)
            assert min(probability for probability, _ in outcomes) > 0
            assert len({action_key(draft) for _, draft in outcomes}) == len(outcomes)
            assert len({described(draft) for _, draft in outcomes}) == len(outcomes)
            kinds |= {draft.tool_calls[0].name if draft.tool_calls else "said" for _, draft in outcomes}
    assert {"look_up", "act", "said"} <= kinds


@settings(max_examples=60, deadline=None)
@given(parameters=small_worlds(), seed=st.integers(0, 2**20))
async def test_the_users_outcomes_sum_to_one_after_everything_that_is_said(parameters: Parameters, seed: int) -> None:
    environment, task, cast = world(parameters)
    user, said = KnownUser(task), conversation(await play(environment, cast, task, seed=seed))
    for end in range(len(said) + 1):
        outcomes = user.outcomes(said[:end], environment.briefing(task))
        assert math.isclose(sum(probability for probability, _ in outcomes), 1.0)
        assert min(probability for probability, _ in outcomes) > 0
        assert len({action_key(draft) for _, draft in outcomes}) == len(outcomes)


async def test_both_sides_draw_from_their_outcomes() -> None:
    environment, task, cast = family("recoverable_error")
    briefing, num_seeds = environment.briefing(task), 1000
    said = conversation(await play(environment, cast, task, seed=0))
    for side in (KnownActor(task), KnownUser(task)):
        for end in (3, 4, 5, 6):
            expected = {action_key(draft): p for p, draft in side.outcomes(said[:end], briefing)}
            drawn = [action_key(await side.act(said[:end], briefing, seed=seed)) for seed in range(num_seeds)]
            assert set(drawn) <= set(expected)
            for key, probability in expected.items():
                interval = jeffreys_interval(drawn.count(key), num_seeds, level=0.9999)
                assert interval.lower <= probability + 1e-12 and probability - 1e-12 <= interval.upper


@by_family
async def test_each_side_knows_only_what_it_sees(name: str) -> None:
    environment, task, cast = family(name)
    briefing, actor, user = environment.briefing(task), KnownActor(task), KnownUser(task)
    for seed in range(10):
        played = await play(environment, cast, task, seed=seed)
        for state in played.states:
            seen = seen_by_actor(state.conversation)
            assert actor.outcomes(seen, briefing) == actor.outcomes(state.conversation, briefing)
        said = conversation(played)
        for end, message in enumerate(said):
            if seen_by_user((message,)):
                seen = seen_by_user(said[: end + 1])
                assert user.outcomes(seen, briefing) == user.outcomes(said[: end + 1], briefing)


@by_family
async def test_the_actor_knows_its_place_whatever_was_forced_on_the_way(name: str) -> None:
    environment, task, cast = family(name)
    actor = KnownActor(task)
    async for state in places(environment, cast, task, num_plays=5):
        assert actor.last_told(state.conversation).endswith(line(state.environment.course))
        for draft in (ODD, REFUSED):
            branch = await play_on(environment, cast, task, state, draft, seed=1)
            assert isinstance(branch.episode.outcome, Finished) and branch.episode.outcome.stop.terminated
            for later in branch.states:
                assert actor.last_told(later.conversation).endswith(line(later.environment.course))


async def test_call_ids_are_unique_in_a_conversation() -> None:
    repairs = 0
    for number in range(20):
        environment, task, cast = family("recoverable_error", number=number)
        steps = (await play(environment, cast, task, seed=number)).episode.steps
        ids = [call.call_id for step in steps for m in step.added for call in getattr(m, "tool_calls", ())]
        assert len(set(ids)) == len(ids)
        repairs += sum("check_repair" in call_id for call_id in ids)
    assert repairs >= 5


async def test_equal_seeds_give_equal_plays_by_stand_ins_that_share_nothing() -> None:
    for seed in range(5):
        casts = [family("recoverable_error") for _ in range(2)]
        plays = [await play(environment, cast, task, seed=seed) for environment, task, cast in casts]
        assert conversation(plays[0]) == conversation(plays[1])


def test_a_casting_can_be_sent_to_another_process() -> None:
    casting = stand_ins(critic=CriticRates(hit_rate=0.9, false_alarm_rate=0.2))
    assert pickle.loads(pickle.dumps(casting)) == casting  # noqa: S301


# -- the critic -------------------------------------------------------------------------------------------------------


async def test_advice_is_taken_as_often_as_the_rules_say() -> None:
    environment, task, cast = family("late_error")
    briefing, actor = environment.briefing(task), KnownActor(task)
    async for state in places(environment, cast, task, num_plays=1):
        before = actor.outcomes(state.conversation, briefing)
        if len(before) > 1:
            p, advised = before[-1]
            after = actor.outcomes(state.conversation, briefing, (ADVICE + described(advised),))
            taken = {action_key(draft): q for q, draft in after}[action_key(advised)]
            assert math.isclose(taken, 0.8 + 0.2 * p)


async def test_a_perfect_critic_objects_to_what_is_wrong_and_a_false_alarm_advises_it() -> None:
    environment, task, cast = family("recoverable_error")
    briefing, actor = environment.briefing(task), KnownActor(task)
    perfect, harmful = (
        stand_ins(critic=CriticRates(hit_rate=rate, false_alarm_rate=1 - rate)).cast(task).critic for rate in (1.0, 0.0)
    )
    objections = {True: 0, False: 0}
    async for state in places(environment, cast, task, num_plays=5):
        choices = actor.choices(actor.last_told(state.conversation))
        for choice in choices:
            question = Question(conversation=state.conversation, briefing=briefing, draft=choice.draft, seed=1)
            for critic, right in ((perfect, True), (harmful, False)):
                [judgement] = await critic.judge([question])
                if isinstance(judgement.verdict, Revise):
                    advised = next(c for c in choices if judgement.verdict.feedback == ADVICE + described(c.draft))
                    assert advised.good == right != choice.good
                    objections[right] += 1
                elif right:
                    assert choice.good
    assert min(objections.values()) > 20


async def test_a_perfect_critic_helps() -> None:
    environment, task, _ = family("late_error")
    cast = stand_ins(critic=CriticRates(hit_rate=1.0, false_alarm_rate=0.0)).cast(task)
    alone, helped = [
        sum([value(await play(environment, cast, task, seed=seed, supervised=supervised)) for seed in range(150)])
        for supervised in (False, True)
    ]
    assert helped > alone + 20
