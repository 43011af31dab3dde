"""Generated tasks stay away from the official test split."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from actors.environments.blueprints.goals import Blueprint
from actors.environments.blueprints.held_out import HeldOut, as_set, gold_writes
from actors.environments.registry import environment
from rollouts.episode import Task
from tests.blueprints.samples import DOMAINS, drawn, shop

pytestmark = pytest.mark.tau2
each_domain = pytest.mark.parametrize("domain", DOMAINS)


def write_tools(domain: str) -> frozenset[str]:
    world = environment("tau2", domain)
    tools = world.briefing(world.tasks("train")[0]).tools
    return frozenset(tool.name for tool in tools if tool.kind == "write")


def held_out(domain: str, *tasks: Task) -> HeldOut:
    return HeldOut(tasks, shop(domain), write_tools=write_tools(domain))


def records_written(blueprint: Blueprint) -> set[str]:
    """Orders and reservations that its gold changes."""
    names = ("order_id", "reservation_id")
    return {str(call.arguments[name]) for call in blueprint.writes for name in names if name in call.arguments}


@each_domain
def test_no_generated_task_changes_an_order_or_reservation_that_a_test_task_names(domain: str) -> None:
    told = json.dumps([task.data for task in environment("tau2", domain).tasks("test")])
    assert any(records_written(blueprint) for blueprint in drawn(domain, 1000))
    assert [b.task.task_id for b in drawn(domain, 1000) if any(key in told for key in records_written(b))] == []


@each_domain
def test_no_official_write_set_occurs(domain: str) -> None:
    tools = write_tools(domain)
    official = {as_set(gold_writes(task, tools)) for task in environment("tau2", domain).tasks("base")} - {frozenset()}
    assert len(official) > 20
    assert official.isdisjoint({as_set(blueprint.writes) for blueprint in drawn(domain, 1000)})


@each_domain
def test_every_test_task_is_recognised_with_its_customer(domain: str) -> None:
    tasks = environment("tau2", domain).tasks("test")
    read = held_out(domain, *tasks).tasks
    assert [task.task_id for task in read] == [task.task_id for task in tasks]
    assert [task.task_id for task in read if not task.customers] == []


@each_domain
def test_a_task_is_near_itself_and_near_no_other_customers(domain: str) -> None:
    own, other = drawn(domain)[:2]
    assert own.customer != other.customer
    against = held_out(domain, own.task)
    assert (against.near(own), against.near(other)) == (True, False)


@each_domain
def test_another_order_or_reservation_of_the_same_customer_is_another_matter(domain: str) -> None:
    by_customer: dict[str, Blueprint] = {}
    for blueprint in drawn(domain, 1000):
        first = by_customer.setdefault(blueprint.customer, blueprint)
        if records_written(first) and records_written(blueprint) and not named(first) & blueprint.subjects:
            against = held_out(domain, first.task)
            assert (against.near(first), against.near(blueprint)) == (True, False)
            return
    raise AssertionError("a thousand tasks should hold two of one customer on different records")


def named(blueprint: Blueprint) -> set[str]:
    """Everything of the customer's that the task's record names."""
    told = json.dumps(blueprint.task.data)
    own = {key for key, owner in shop(blueprint.task.domain).owners.items() if owner == blueprint.customer}
    return {key for key in (*own, blueprint.customer) if key in told}


@each_domain
def test_everything_of_a_customer_is_near_a_test_task_that_names_no_record(domain: str) -> None:
    blueprint = next(found for found in drawn(domain) if found.writes)
    profile: Any = shop(domain).profiles[blueprint.customer]
    name = f"{profile['name']['first_name']} {profile['name']['last_name']}"
    vague = replace(
        blueprint.task,
        data={"user_scenario": {"instructions": f"You are {name}."}, "evaluation_criteria": {"actions": []}},
    )
    assert held_out(domain, vague).near(blueprint)


@each_domain
def test_the_same_writes_are_near_whoever_asks_for_them(domain: str) -> None:
    blueprint = next(found for found in drawn(domain) if found.writes)
    stranger = replace(blueprint, customer="nobody_0000")
    assert held_out(domain, blueprint.task).near(stranger)
