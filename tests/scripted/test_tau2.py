"""The stand-ins over real τ² tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from actors.environments.registry import environment
from actors.scripted import PERFECT, Difficulty, ErrorRates
from rollouts.episode import Task
from rollouts.estimates import jeffreys_interval
from rollouts.identity import action_key
from rollouts.protocols import Environment
from tests.exact_values import ExactValues
from tests.scripted.plays import cast_for, places, play, value

pytestmark = pytest.mark.tau2
QUICK = {"retail": ("34", "67", "75", "80", "93"), "airline": ("1", "12", "43")}
# tasks of different length and value whose exact values are quickly computed


def tasks(world: Environment[Any], split: str = "train") -> Mapping[str, Task]:
    return {task.task_id: task for task in world.tasks(split)}


@pytest.mark.parametrize(("domain", "count"), [("retail", 114), ("airline", 50)])
async def test_an_actor_without_mistakes_solves_every_task_in_thirty_turns(domain: str, count: int) -> None:
    world = environment("tau2", domain)
    every = tasks(world, "base")
    lost = [name for name, task in every.items() if value(await play(world, cast_for(task)[0], task, seed=1)) != 1.0]
    assert (len(every), lost) == (count, [])


@pytest.mark.parametrize("domain", ["retail", "airline"])
async def test_outcomes_are_distinct_and_sum_to_one_wherever_plays_lead(domain: str) -> None:
    world = environment("tau2", domain)
    for task in tasks(world).values():
        cast, actor = cast_for(task, errors=ErrorRates(), difficulty=Difficulty())
        briefing = world.briefing(task)
        async for state in places(world, cast, task, num_plays=2):
            outcomes = actor.outcomes(state.conversation, briefing)
            assert math.isclose(sum(probability for probability, _ in outcomes), 1.0)
            assert len({action_key(draft) for _, draft in outcomes}) == len(outcomes)


@pytest.mark.parametrize(("domain", "name"), [(domain, name) for domain in QUICK for name in QUICK[domain]])
async def test_the_mean_of_many_plays_agrees_with_the_exact_value(domain: str, name: str) -> None:
    world = environment("tau2", domain)
    task, num_plays = tasks(world)[name], 300
    cast, _ = cast_for(task, errors=ErrorRates(), difficulty=Difficulty())
    returns = [value(await play(world, cast, task, seed=seed)) for seed in range(num_plays)]
    interval = jeffreys_interval(sum(returns), num_plays, level=0.999)
    assert interval.lower - 1e-9 <= ExactValues(world, cast, task).start(30) <= interval.upper + 1e-9


async def test_the_retail_training_tasks_are_some_easy_some_hopeless_and_most_mixed() -> None:
    world = environment("tau2", "retail")
    briefing = world.briefing(world.tasks("train")[0])
    means: list[float] = []
    num_always = num_never = 0
    for task in tasks(world).values():
        cast, actor = cast_for(task, errors=ErrorRates(), difficulty=Difficulty())
        profile = actor.script(briefing).profile
        num_always += profile.rates == PERFECT
        num_never += bool(profile.blind_spots)
        means.append(sum([value(await play(world, cast, task, seed=seed)) for seed in range(20)]) / 20)
    assert (len(means), num_always, num_never) == (74, 15, 9)
    mixed = [mean for mean in means if 0.1 <= mean <= 0.95]
    assert len(mixed) > 40 and min(mixed) < 0.35 and max(mixed) > 0.85
    assert 0.5 < sum(means) / len(means) < 0.7
