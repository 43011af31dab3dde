"""Both domains against the suite that every environment passes."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from rollouts.episode import Task, ToolCall
from rollouts.protocols import Environment
from tests.conformance.environment import EnvironmentSuite, Script
from tests.conformance.test_environment import wrong_calls
from tests.environments.plans import call
from tests.tau_bench.plain import gold_calls

pytestmark = pytest.mark.tau_bench
PROBES = {
    "retail": {"get_order_details": "order_id", "get_user_details": "user_id"},
    "airline": {"get_reservation_details": "reservation_id", "get_user_details": "user_id"},
}


@functools.cache
def script(domain: str) -> Script:
    """The writing gold calls of some tasks, all played on the first one."""
    environment = registered("tau_bench", domain)
    tasks = [task for task in environment.tasks("test") if 2 <= len(_writes(environment, task)) <= 4][:4]
    plays = [_writes(environment, task) for task in tasks]
    words = {str(task.data["user_id"]) for task in tasks} | {
        word for play in plays for made in play for word in re.findall(r"#W\d+|\b[A-Z0-9]{6}\b", str(made.arguments))
    }
    words |= {"HATHAT", *_owners(environment, tasks[0], domain, words)}
    return Script(
        name="tau_bench",
        domain=domain,
        task=tasks[0],
        plays=plays,
        probes=[call(tool, {name: word}) for tool, name in PROBES[domain].items() for word in sorted(words)],
        wrong=wrong_calls(*next(iter(PROBES[domain].items()))),
    )


def _writes(environment: Environment[Any], task: Task) -> Sequence[ToolCall]:
    kinds = {tool.name: tool.kind for tool in environment.briefing(task).tools}
    return [made for made in gold_calls(task) if kinds[made.name] == "write"]


def _owners(environment: Environment[Any], task: Task, domain: str, words: set[str]) -> set[str]:
    """Whose orders or reservations these are: calls change the owner's record too."""
    state = environment.initial(task)
    asked = [call(tool, {name: word}) for tool, name in PROBES[domain].items() for word in words]
    return set(re.findall(r'"user_id": "(\w+)"', " ".join(environment.apply(state, made).content for made in asked)))


class TestRetail(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered("tau_bench", "retail")

    @pytest.fixture
    def script(self) -> Script:
        return script("retail")


class TestAirline(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered("tau_bench", "airline")

    @pytest.fixture
    def script(self) -> Script:
        return script("airline")
