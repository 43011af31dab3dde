"""What every generated task keeps to, tried in the real environment."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import combinations, islice
from typing import Any

import pytest

from actors.environments.blueprints.compose import content_id, drawn_goals
from actors.environments.blueprints.generate import ACCEPTED, PATIENCE, TASKS_PER_CUSTOMER
from actors.environments.blueprints.goals import Blueprint
from actors.environments.blueprints.make import open_generator
from actors.environments.blueprints.verify import Verifier
from actors.environments.registry import environment
from rollouts.episode import AssistantMessage, StopReason, Task, ToolCall
from rollouts.protocols import Environment
from tests.blueprints.samples import COUNT, CUSTOMER, DOMAINS, composed, drawn, goals_of_kind, scanty_generator, shop
from tests.scripted.plays import cast_for, play, value

pytestmark = pytest.mark.tau2
each_domain = pytest.mark.parametrize("domain", DOMAINS)


def worth(world: Environment[Any], task: Task, calls: tuple[ToolCall, ...], said: tuple[str, ...]) -> float:
    state = world.initial(task)
    for call in calls:
        transition = world.apply(state, call)
        assert not transition.is_error, (task.task_id, call, transition.content)
        state = transition.state
    conversation = tuple(AssistantMessage(text=text) for text in said)
    return world.reward(state, conversation, StopReason.USER_STOP).value


# -- outcomes ---------------------------------------------------------------------------------------------------------


@each_domain
def test_the_gold_sequence_is_worth_one(domain: str) -> None:
    world = environment("tau2", domain)
    for blueprint in drawn(domain):
        assert worth(world, blueprint.task, blueprint.gold, blueprint.info) == 1.0
    assert len(drawn(domain)) == COUNT


@each_domain
def test_a_state_of_a_generated_task_is_stored_and_loaded_with_its_task(domain: str) -> None:
    world = environment("tau2", domain)
    for blueprint in drawn(domain):
        state = world.initial(blueprint.task)
        for call in blueprint.gold:
            state = world.apply(state, call).state
        again = world.load(world.dump(state))
        assert world.key(again) == world.key(state)
        told = (AssistantMessage(text="; ".join(blueprint.info)),)
        assert world.reward(again, told, StopReason.USER_STOP).value == 1.0


@each_domain
def test_doing_nothing_is_worth_zero_exactly_where_something_is_to_be_done_or_told(domain: str) -> None:
    world = environment("tau2", domain)
    outcomes = {bool(b.writes or b.info): set[float]() for b in drawn(domain)}
    for blueprint in drawn(domain):
        outcomes[bool(blueprint.writes or blueprint.info)].add(worth(world, blueprint.task, (), ()))
    assert outcomes == {True: {0.0}, False: {1.0}}


@each_domain
def test_leaving_out_any_one_write_or_any_one_answer_is_worth_zero(domain: str) -> None:
    world = environment("tau2", domain)
    for blueprint in drawn(domain):
        for left_out in blueprint.writes:
            rest = tuple(call for call in blueprint.gold if call is not left_out)
            assert worth(world, blueprint.task, rest, blueprint.info) == 0.0
        for index in range(len(blueprint.info)):
            told = blueprint.info[:index] + blueprint.info[index + 1 :]
            if not any(blueprint.info[index] in other for other in told):
                assert worth(world, blueprint.task, blueprint.gold, told) == 0.0


@each_domain
async def test_stand_ins_without_mistakes_solve_every_generated_task_in_thirty_turns(domain: str) -> None:
    world = environment("tau2", domain)
    tasks = [blueprint.task for blueprint in drawn(domain)]
    lost = [task.task_id for task in tasks if value(await play(world, cast_for(task)[0], task, seed=1)) != 1.0]
    assert lost == []


# -- what makes a set of tasks ----------------------------------------------------------------------------------------


@each_domain
def test_the_same_seed_gives_the_same_tasks_and_another_seed_gives_others(domain: str) -> None:
    again = [blueprint.task for blueprint in islice(open_generator(domain, seed=0).blueprints(), 20)]
    other = [blueprint.task for blueprint in islice(open_generator(domain, seed=1).blueprints(), 20)]
    assert again == [blueprint.task for blueprint in drawn(domain)[:20]]
    assert not {task.task_id for task in again} & {task.task_id for task in other}


@each_domain
def test_no_two_tasks_want_the_same_done(domain: str) -> None:
    tasks = drawn(domain, 1000)
    essences = {(b.customer, tuple(sorted(goal.essence for goal in b.goals))) for b in tasks}
    assert len(essences) == len({b.task.task_id for b in tasks}) == len(tasks)


@each_domain
def test_tasks_are_spread_over_customers(domain: str) -> None:
    assert len({blueprint.customer for blueprint in drawn(domain)}) == COUNT


@each_domain
def test_every_kind_of_goal_is_drawn(domain: str) -> None:
    kinds = {goal.kind for blueprint in drawn(domain, 1000) for goal in blueprint.goals}
    assert len(kinds) == len(shop(domain).makers)


@each_domain
def test_a_task_carries_the_training_split_and_its_contents_id(domain: str) -> None:
    for blueprint in drawn(domain):
        task = blueprint.task
        assert (task.split, task.domain, task.data["id"]) == ("train", domain, task.task_id)
        assert task.task_id == content_id(domain, task.data)
        assert len(task.task_id) == len(f"{domain}-bp-") + 16


@each_domain
def test_goals_drawn_together_concern_different_records_and_a_handover_is_last_with_nothing_to_tell(
    domain: str,
) -> None:
    rng = random.Random(0)
    for name in list(shop(domain).customers)[:200]:
        goals = drawn_goals(shop(domain), name, rng)
        assert not any(a.subjects & b.subjects for a, b in combinations(goals, 2))
        assert not any(goal.handover for goal in goals[:-1])
        assert not (goals and goals[-1].handover and any(goal.info for goal in goals))


def test_a_customer_is_drawn_for_until_nothing_new_comes() -> None:
    generator = scanty_generator()
    assert [blueprint.customer for blueprint in generator.blueprints()] == [CUSTOMER]
    assert generator.counts == {ACCEPTED: 1, "duplicate": PATIENCE}
    assert generator.most == TASKS_PER_CUSTOMER


# -- what is turned down ----------------------------------------------------------------------------------------------


def objection(blueprint: Blueprint) -> str:
    return Verifier(environment("tau2", blueprint.task.domain)).objection(blueprint)


def with_a_write(domain: str) -> Blueprint:
    return next(blueprint for blueprint in drawn(domain) if blueprint.writes)


@each_domain
def test_a_gold_sequence_that_lacks_its_write_is_turned_down(domain: str) -> None:
    whole = with_a_write(domain)
    lacking = replace(whole, gold=tuple(call for call in whole.gold if call not in whole.writes))
    assert (objection(whole), objection(lacking)) == ("", "gold is not worth 1")


@each_domain
def test_a_gold_call_that_a_tool_refuses_is_turned_down(domain: str) -> None:
    whole = with_a_write(domain)
    wrong = ToolCall(call_id="", name="get_user_details", arguments={"user_id": "nobody"})
    assert objection(replace(whole, gold=(wrong, *whole.gold))) == "get_user_details is refused"


def test_a_write_that_changes_nothing_is_turned_down() -> None:
    customer, goal = next(goals_of_kind("retail", "change profile address"))
    twice = replace(goal, writes=(*goal.writes, *goal.writes))
    assert objection(composed("retail", customer, twice)) == "modify_user_address changes nothing"


def test_goals_whose_order_decides_the_end_are_turned_down() -> None:
    (customer, first), (_, second) = islice(
        ((name, goal) for name, goal in goals_of_kind("retail", "change profile address")), 2
    )
    second = replace(second, writes=tuple(_of(call, customer) for call in second.writes))
    assert objection(composed("retail", customer, first, second)) == "goals hang on their order"


def _of(call: ToolCall, user_id: str) -> ToolCall:
    return replace(call, arguments={**call.arguments, "user_id": user_id})
