"""Exact values agree with what plays return, and with each other."""

from __future__ import annotations

import math

import pytest

from actors.scripted import FLAT
from rollouts.episode import Task
from rollouts.estimates import jeffreys_interval
from tests.exact_values import ExactValues, exact_action_value, exact_value
from tests.scripted.plays import SOMETIMES, cast_for, places, play, play_on, value
from tests.scripted.shop import TASKS, ShopEnvironment

SHOP = ShopEnvironment()
TURNS = 30
by_task = pytest.mark.parametrize("task", TASKS, ids=[task.task_id for task in TASKS])


@by_task
async def test_the_mean_of_many_plays_agrees_with_the_exact_value(task: Task) -> None:
    cast, _ = cast_for(task, errors=SOMETIMES, difficulty=FLAT)
    num_plays = 500
    returns = [value(await play(SHOP, cast, task, seed=seed, turns=TURNS)) for seed in range(num_plays)]
    interval = jeffreys_interval(sum(returns), num_plays, level=0.999)
    assert interval.lower - 1e-9 <= ExactValues(SHOP, cast, task).start(TURNS) <= interval.upper + 1e-9


async def test_the_mean_of_many_branches_agrees_with_the_exact_action_value() -> None:
    task, num_branches = TASKS[1], 100
    cast, actor = cast_for(task, errors=SOMETIMES, difficulty=FLAT)
    exact = ExactValues(SHOP, cast, task)
    async for state in places(SHOP, cast, task, num_plays=1):
        for _, draft in actor.outcomes(state.conversation, SHOP.briefing(task)):
            played = [await play_on(SHOP, cast, task, state, draft, seed=seed) for seed in range(num_branches)]
            interval = jeffreys_interval(sum(map(value, played)), num_branches, level=0.9999)
            known = exact.action_value(state.conversation, state.environment, TURNS - state.step, draft)
            assert interval.lower - 1e-9 <= known <= interval.upper + 1e-9


@pytest.mark.parametrize("task", [TASKS[0], TASKS[2]], ids=lambda task: task.task_id)
async def test_a_state_is_worth_the_mean_of_its_actions(task: Task) -> None:
    cast, actor = cast_for(task, errors=SOMETIMES, difficulty=FLAT)
    async for state in places(SHOP, cast, task, num_plays=1):
        at = (SHOP, cast, task, state.conversation, state.environment, TURNS - state.step)
        outcomes = actor.outcomes(state.conversation, SHOP.briefing(task))
        mean = sum(probability * exact_action_value(*at, draft) for probability, draft in outcomes)
        assert math.isclose(exact_value(*at), mean)


@pytest.mark.parametrize("turns", [1, 4, 6])
async def test_a_turn_limit_costs_what_plays_under_it_lose(turns: int) -> None:
    task, num_plays = TASKS[0], 400
    cast, _ = cast_for(task, errors=SOMETIMES, difficulty=FLAT)
    returns = [value(await play(SHOP, cast, task, seed=seed, turns=turns)) for seed in range(num_plays)]
    interval = jeffreys_interval(sum(returns), num_plays, level=0.999)
    exact = ExactValues(SHOP, cast, task)
    assert interval.lower <= exact.start(turns) <= interval.upper
    assert exact.start(turns) < exact.start(TURNS)
