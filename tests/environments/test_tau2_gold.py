"""Every task's gold sequence ends where the package's own toolkits end, answers the same on the way, and earns 1."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import DOMAINS, Domain
from actors.environments.tau2.environment import Tau2Environment
from actors.environments.tau2.machinery import Machinery
from actors.environments.tau2.package_code import machinery
from actors.environments.tau2.scoring import UNSCORED_TOOLS
from actors.environments.tau2.toolbox import Toolbox
from rollouts.episode import AssistantMessage, Conversation, StopReason, Task
from tests.environments.looks import LOOKS
from tests.environments.plain import Plain, World, adopt_ids, whole
from tests.environments.plans import gold_steps, said

pytestmark = pytest.mark.tau2


@pytest.fixture(autouse=True)
def small_heap() -> Iterator[None]:
    """What lives already is not looked through again each time a whole database is made: three times as quick."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_gold_sequence_ends_in_upstreams_database(domain: str) -> None:
    _play_all(domain, "base")


@pytest.mark.slow
def test_every_gold_sequence_of_every_telecom_task_ends_in_upstreams_database() -> None:
    _play_all("telecom", "full")


def _play_all(domain: str, split: str) -> None:
    environment, code, plain = _opened(DOMAINS[domain])
    toolbox = Toolbox(code)
    untouched = _text(plain.fresh())
    world = plain.fresh()
    for task in environment.tasks(split):
        state = environment.initial(task)
        if state.tables:
            world = plain.started(task)
            assert _text(whole(toolbox, state.tables, code)) == _text(world), task.task_id
        for side, made in gold_steps(task):
            transition = environment.apply(state, made, side=side)
            if made.name not in UNSCORED_TOOLS:
                answer = plain.call(world, made, side=side)
                assert (transition.content, transition.is_error) == answer, (task.task_id, made)
            state = transition.state
        ours = whole(toolbox, state.tables, code)
        if code.minted_in:
            adopt_ids(world, ours)
        assert _text(ours) == _text(world), task.task_id
        if state.tables:
            world = plain.fresh()
    assert _text(whole(toolbox, {}, code)) == untouched


def _opened(domain: Domain) -> tuple[Tau2Environment, Machinery, Plain]:
    source = upstream.installed()
    code, files = machinery(domain, source), upstream.files(domain, source)
    return Tau2Environment(files=files, load=lambda: code), code, Plain(domain, code)


def _text(world: World) -> str:
    """Everything in a world's databases, in its order."""
    return "".join(held.model_dump_json() for held in world.databases)


@pytest.mark.parametrize("domain", ["telecom", "banking_knowledge"])
def test_an_actor_and_a_user_read_what_the_packages_own_tools_write(domain: str) -> None:
    environment, code, plain = _opened(DOMAINS[domain])
    toolbox = Toolbox(code)
    for task in environment.tasks("base")[::3]:
        state, world = environment.initial(task), plain.started(task)
        for side, made in [*gold_steps(task), *LOOKS[domain]]:
            transition = environment.apply(state, made, side=side)
            assert transition.content == plain.through_the_package(world, made, side=side), (task.task_id, made)
            state = transition.state
            if code.minted_in:
                adopt_ids(world, whole(toolbox, state.tables, code))


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_gold_sequence_is_worth_1_once_its_information_is_told(domain: str) -> None:
    environment = registered("tau2", domain)
    for task in environment.tasks("base"):
        infos = _infos(task)
        state, said_so = environment.initial(task), (AssistantMessage(text=" ".join(infos).upper()),)
        conversation: Conversation = ()
        for side, made in gold_steps(task):
            state = environment.apply(state, made, side=side).state
            conversation += said(side, made)
        told = environment.reward(state, (*conversation, *said_so), StopReason.USER_STOP)
        silent = environment.reward(state, conversation, StopReason.USER_STOP)
        assert told.value == 1.0, task.task_id
        assert set(told.parts) == set(told.basis) & {"DB", "ENV_ASSERTION", "ACTION", "COMMUNICATE"}
        assert silent.value == float(not infos), task.task_id


@pytest.mark.parametrize("domain", ["telecom", "banking_knowledge"])
def test_doing_nothing_is_worth_nothing(domain: str) -> None:
    environment = registered("tau2", domain)
    for task in environment.tasks("base"):
        assert environment.reward(environment.initial(task), (), StopReason.USER_STOP).value == 0.0, task.task_id


def _infos(task: Task) -> list[str]:
    criteria: Any = task.data["evaluation_criteria"]
    return list(criteria.get("communicate_info") or ())
