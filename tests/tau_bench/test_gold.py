"""Every task's gold sequence ends where upstream's own code ends, says what it says on the way, and is worth what it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from rollouts.episode import AssistantMessage, StopReason, Task
from tests.tau_bench.plain import all_tasks, gold_calls, open_once, plain_environment, same_answer, whole_database

pytestmark = pytest.mark.tau_bench
DOMAINS = {"retail": 635, "airline": 50}
# tasks of each


@pytest.mark.parametrize("domain", DOMAINS)
def test_some_gold_sequences_end_in_upstreams_database(domain: str) -> None:
    """Of some tasks of each split; the whole database is compared, the order of its keys included."""
    for task, state, database in _both_sides(domain, all_tasks(domain)[::25]):
        assert repr(whole_database(open_once(domain), state)) == repr(database), task.task_id


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_gold_sequence_ends_in_upstreams_database(domain: str) -> None:
    environment, tasks, plain = open_once(domain), all_tasks(domain), plain_environment(domain)
    assert len(tasks) == DOMAINS[domain]
    for index, (task, state, database) in enumerate(_both_sides(domain, tasks)):
        ours = whole_database(environment, state)
        assert repr(ours) == repr(database), task.task_id
        if index % 10 == 0:  # upstream's own hash and reward take half a second
            assert plain.hash(ours) == plain.hash(database), task.task_id
            reward = environment.reward(state, (), StopReason.USER_STOP).value
            assert reward == plain.reward(database, task, []), task.task_id
    assert whole_database(environment, environment.initial(tasks[0])) == plain.fresh()


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_gold_sequence_is_worth_1_once_its_outputs_are_told(domain: str) -> None:
    environment = open_once(domain)
    for task in all_tasks(domain):
        outputs: Any = task.data["outputs"]
        state = _played(domain, task)
        told = environment.reward(state, (AssistantMessage(text=" ".join(outputs).upper()),), StopReason.USER_STOP)
        silent = environment.reward(state, (), StopReason.USER_STOP)
        assert (told.value, told.basis) == (1.0, ("DB", "OUTPUTS") if outputs else ("DB",)), task.task_id
        assert silent.value == float(not outputs), task.task_id


def _both_sides(domain: str, tasks: Sequence[Task]) -> Any:
    """Each task's state and database after its gold sequence; the answers have been found equal."""
    environment, plain = open_once(domain), plain_environment(domain)
    for task in tasks:
        state, database = environment.initial(task), plain.fresh()
        for made in gold_calls(task):
            transition = environment.apply(state, made)
            assert same_answer(transition.content, plain.call(database, made)), (task.task_id, made)
            state = transition.state
        yield task, state, database


def _played(domain: str, task: Task) -> Any:
    environment = open_once(domain)
    state = environment.initial(task)
    for made in gold_calls(task):
        state = environment.apply(state, made).state
    return state
