"""The values are the true ones: against enumeration, against a formula, against plays."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.environments.known_values import (
    FAMILIES,
    ExactValues,
    KnownActor,
    KnownState,
    Parameters,
    Rules,
    exact_q,
    exact_v,
    first_error,
    value_drops,
)
from actors.environments.known_values.plan import Plan, plan_of
from rollouts.episode import Draft, Task, ToolCall
from rollouts.estimates import jeffreys_interval
from rollouts.play import Played
from tests.known_values.brute_force import BruteForce
from tests.known_values.worlds import ODD, family, faultless, passed, rules, small_worlds, world
from tests.scripted.plays import play, play_on, value

by_family = pytest.mark.parametrize("name", FAMILIES)
NUM_ROLLOUTS = 250


@settings(max_examples=15, deadline=None)
@given(parameters=small_worlds(), seed=st.integers(0, 2**20))
async def test_values_are_those_of_enumerating_every_conversation(parameters: Parameters, seed: int) -> None:
    environment, task, cast = world(parameters, number=seed % 64)
    brute = BruteForce(environment, task)
    assert math.isclose(exact_v(task, environment.initial(task)), brute.start(), abs_tol=1e-12)
    trunk = await play(environment, cast, task, seed=seed)
    for state in trunk.states[1:]:
        for _, draft in KnownActor(task).outcomes(state.conversation, environment.briefing(task)):
            truth = brute.action_value(state.conversation, state.environment, draft)
            assert math.isclose(exact_q(task, state.environment, draft), truth, abs_tol=1e-12)


def _chance_of_error(plan: Plan) -> list[float]:
    noise = plan.rules.noise
    wrong = [sum(p for p, fine in zip(stage.chances, stage.fine, strict=True) if not fine) for stage in plan.stages]
    return [
        p * (1 - noise) + (1 - p) * noise for p, stage in zip(wrong, plan.stages, strict=True) if stage.kind != "read"
    ]


@settings(max_examples=40, deadline=None)
@given(rules=rules(quiet=True), depth=st.integers(1, 30), skill=st.floats(0.2, 1.0), num_hard=st.integers(0, 4))
def test_without_repairs_errors_are_independent_and_their_number_decides(
    rules: Rules, depth: int, skill: float, num_hard: int
) -> None:
    environment, task, _ = world(Parameters(rules=rules, depth=depth, skill=skill, num_hard=num_hard))
    by_number = [1.0]
    for p in _chance_of_error(plan_of(task)):
        by_number = [a * (1 - p) + b * p for a, b in zip([*by_number, 0.0], [0.0, *by_number], strict=True)]
    expected = sum(p * rules.solved[min(n, rules.most)] for n, p in enumerate(by_number))
    assert math.isclose(exact_v(task, environment.initial(task)), expected, abs_tol=1e-9)


@by_family
async def test_plays_of_the_real_player_have_the_exact_mean(name: str) -> None:
    environment, task, cast = family(name, number=3)
    trunk = await play(environment, cast, task, seed=1)
    cells = 0
    for state in (trunk.states[1], trunk.states[len(trunk.states) // 2], trunk.states[-2]):
        outcomes = KnownActor(task).outcomes(state.conversation, environment.briefing(task))
        for _, draft in (outcomes[0], outcomes[-1]):
            plays = [await play_on(environment, cast, task, state, draft, seed=seed) for seed in range(NUM_ROLLOUTS)]
            interval = jeffreys_interval(sum(map(value, plays)), NUM_ROLLOUTS, level=0.999)
            assert interval.lower <= exact_q(task, state.environment, draft) <= interval.upper
            cells += 1
    assert cells == 6


@by_family
async def test_what_a_policy_gains_and_loses_by_its_choices_sums_to_nothing(name: str) -> None:
    environment, task, cast = family(name)
    values = ExactValues(task)
    for state in (await play(environment, cast, task, seed=2)).states:
        outcomes = KnownActor(task).outcomes(state.conversation, environment.briefing(task))
        mean = sum(p * values.q(state.environment, draft) for p, draft in outcomes)
        assert math.isclose(mean, values.v(state.environment), abs_tol=1e-12)


# -- where a trunk lost its value -------------------------------------------------------------------------------------


async def _trunks(name: str, *, num_tasks: int = 64) -> list[tuple[Task, Played[KnownState]]]:
    found = []
    for number in range(num_tasks):
        environment, task, cast = family(name, number=number)
        found.append((task, await play(environment, cast, task, seed=number)))
    return found


@by_family
async def test_reading_and_the_goodbye_lose_nothing(name: str) -> None:
    for task, trunk in await _trunks(name, num_tasks=20):
        drops = value_drops(task, trunk.episode.steps)
        assert len(drops) == len(trunk.episode.steps)
        for (state, after), step, drop in zip(pairwise(trunk.states), trunk.episode.steps, drops, strict=False):
            # where errors show, to go on reading leaves them behind
            if step.kind == "read" and not state.environment.course.shown:
                assert drop == pytest.approx(0.0, abs=1e-12)
            assert after.step == state.step + 1
        if passed(trunk.episode.steps[-1]) == "said" and not trunk.states[-1].environment.course.shown:
            assert drops[-1] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("name", "part"), [("late_error", (0.7, 1.0)), ("early_error", (0.0, 0.3))])
async def test_a_family_of_one_error_has_it_where_it_says(name: str, part: tuple[float, float]) -> None:
    errors = [
        first / len(trunk.episode.steps)
        for task, trunk in await _trunks(name)
        if (first := first_error(task, trunk.episode.steps, delta=0.2)) is not None
    ]
    within = [at for at in errors if part[0] - 0.1 <= at <= part[1] + 0.1]
    assert len(errors) >= 15
    assert len(within) >= 0.8 * len(errors)


async def test_several_errors_come_in_one_trunk_and_no_error_in_a_trunk_that_fails() -> None:
    several = [sum(drop >= 0.1 for drop in value_drops(t, p.episode.steps)) for t, p in await _trunks("several_errors")]
    assert max(several) >= 2
    failed = [(t, p) for t, p in await _trunks("no_error") if value(p) == 0.0]
    faultless = [first_error(t, p.episode.steps, delta=0.2) is None for t, p in failed]
    assert len(failed) >= 15 and sum(faultless) >= 0.8 * len(failed)


async def test_an_error_costs_value_where_it_is_made_and_not_where_it_shows() -> None:
    shown_at = 0
    for task, trunk in await _trunks("early_error"):
        first = first_error(task, trunk.episode.steps, delta=0.2)
        alarms = [state.step for state in trunk.states if state.environment.course.shown]
        if first is not None and alarms:
            drops = value_drops(task, trunk.episode.steps)
            assert first < alarms[0]
            assert max(drops) == drops[first]
            shown_at += 1
    assert shown_at >= 10


async def test_leaving_an_error_that_could_be_repaired_costs_value() -> None:
    left = 0
    for task, trunk in await _trunks("recoverable_error"):
        drops = value_drops(task, trunk.episode.steps)
        for state, step, drop in zip(trunk.states, trunk.episode.steps, drops, strict=True):
            course = state.environment.course
            if course.tries and not course.repairing and not course.lost and course.shown == 1:
                assert (drop > 0) == (passed(step) != "repair")
                left += drop > 0.1
    assert left >= 3


async def test_options_that_do_no_harm_are_worth_as_much_as_the_right_one() -> None:
    environment, task, _ = family("late_error")
    values, stage = ExactValues(task), plan_of(task).stages[0]
    kinds = {"read": "look_up", "write": "act"}
    drafts = [
        Draft(text="", tool_calls=(ToolCall(call_id="1", name=kinds[stage.kind], arguments={"stage": 0, "option": o}),))
        for o in "abcd"
    ]
    found = [values.q(environment.initial(task), draft) for draft in drafts]
    best = [q for q, fine in zip(found, stage.fine, strict=True) if fine]
    assert len(best) >= 2 and max(best) == pytest.approx(min(best), abs=1e-12)


# -- wrong use --------------------------------------------------------------------------------------------------------


async def test_an_action_that_changes_nothing_is_worth_what_the_state_is() -> None:
    environment, task, cast = family("recoverable_error")
    refused = Draft(text="", tool_calls=(ToolCall(call_id="1", name="act", arguments={"stage": 99, "option": "a"}),))
    for state in (await play(environment, cast, task, seed=0)).states:
        for draft in (ODD, refused):
            assert exact_q(task, state.environment, draft) == exact_v(task, state.environment)


async def test_the_states_of_a_play_can_be_had_from_its_steps() -> None:
    for number in range(10):
        environment, task, cast = family("recoverable_error", number=number)
        trunk = await play(environment, cast, task, seed=number)
        replayed = [state.course for state in ExactValues(task).states(trunk.episode.steps)]
        assert replayed == [state.environment.course for state in trunk.states]
        assert ExactValues(task).states(()) == ()


async def test_the_steps_of_a_branch_alone_are_refused() -> None:
    environment, task, cast = family("late_error")
    trunk = await play(environment, cast, task, seed=0)
    with pytest.raises(ValueError, match="from step 0 on"):
        value_drops(task, trunk.episode.steps[2:])


def test_a_state_of_another_task_is_refused() -> None:
    environment, task, _ = family("late_error")
    _, other, _ = family("late_error", number=1)
    with pytest.raises(ValueError, match="another plan"):
        exact_v(other, environment.initial(task))
    with pytest.raises(ValueError, match="another plan"):
        exact_q(other, environment.initial(task), ODD)


def test_more_noise_and_less_skill_are_worth_less() -> None:
    easy = replace(FAMILIES["late_error"], num_hard=0)
    found = [faultless(solved=(0.95, 0.05), noise=0.0), easy, replace(easy, skill=0.8), FAMILIES["late_error"]]
    values = [exact_v(task, environment.initial(task)) for environment, task, _ in map(world, found)]
    assert values[0] == pytest.approx(0.95)
    assert values[0] > values[1] > values[2]
    assert values[1] > values[3]
