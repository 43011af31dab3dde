"""Every task's gold sequence ends where the package's own toolkit ends, answers the same on the way, and earns 1."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import DOMAINS
from actors.environments.tau2.environment import Tau2Environment
from actors.environments.tau2.scoring import UNSCORED_TOOLS
from actors.environments.tau2.toolbox import Toolbox
from rollouts.episode import AssistantMessage, StopReason, Task
from tests.environments.plain import PlainToolkit, whole_database
from tests.environments.plans import gold_calls

pytestmark = pytest.mark.tau2


@pytest.fixture(autouse=True)
def small_heap() -> Iterator[None]:
    """What lives already is not looked through again each time a whole database is made: three times as quick."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_gold_sequence_ends_in_upstreams_database(domain: str) -> None:
    code = upstream.machinery(DOMAINS[domain])
    files = upstream.files(DOMAINS[domain], version=upstream.supported_version())
    environment, toolbox, plain = Tau2Environment(files=files, load=lambda: code), Toolbox(code), PlainToolkit(code)
    untouched = code.database.get_hash()
    database = plain.fresh()
    for task in environment.tasks("base"):
        state = environment.initial(task)
        for call in gold_calls(task):
            transition = environment.apply(state, call)
            if call.name not in UNSCORED_TOOLS:
                assert (transition.content, transition.is_error) == plain.call(database, call), (task.task_id, call)
            state = transition.state
        ours = whole_database(toolbox, state, code)
        assert ours.model_dump_json() == database.model_dump_json(), task.task_id
        if state.tables:
            database = plain.fresh()
    assert code.database.get_hash() == untouched


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_gold_sequence_is_worth_1_once_its_information_is_told(domain: str) -> None:
    environment = registered("tau2", domain)
    for task in environment.tasks("base"):
        infos = _infos(task)
        state = environment.initial(task)
        for call in gold_calls(task):
            state = environment.apply(state, call).state
        told = environment.reward(state, (AssistantMessage(text=" ".join(infos).upper()),), StopReason.USER_STOP)
        silent = environment.reward(state, (), StopReason.USER_STOP)
        assert (told.value, told.parts) == (1.0, {"DB": 1.0, "COMMUNICATE": 1.0}), task.task_id
        assert silent.value == float(not infos), task.task_id


def _infos(task: Task) -> list[str]:
    criteria: Any = task.data["evaluation_criteria"]
    return list(criteria["communicate_info"] or ())
