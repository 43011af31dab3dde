"""τ-bench v1 (Sierra Research, MIT), through its own unmodified package, installed or in a checkout that TAU_BENCH_PATH names.

Neither importing this package nor refusing a wrong name or version imports upstream's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from actors.environments.names import named
from actors.environments.tau_bench.checkout import find_checkout
from actors.environments.tau_bench.domains import DOMAINS
from actors.environments.tau_bench.environment import TauBenchEnvironment
from rollouts.episode import Task


def open_environment(domain: str) -> TauBenchEnvironment:
    """UsageError when the domain is unknown, or the package is missing or not the supported version."""
    description = named(domain, DOMAINS, what="tau_bench domain")
    return TauBenchEnvironment(description, find_checkout())


def scripted_task(task: Task) -> Task:
    """The task as the scripted stand-ins know tasks: its gold calls and outputs under τ²'s names."""
    actions = cast("Sequence[dict[str, Any]]", task.data["actions"])
    gold = [
        {"action_id": str(number), "name": action["name"], "arguments": action["kwargs"]}
        for number, action in enumerate(actions)
    ]
    criteria: dict[str, Any] = {"actions": gold, "communicate_info": task.data["outputs"]}
    scenario: dict[str, Any] = {"instructions": {"reason_for_call": task.data["instruction"]}}
    return replace(task, data={"evaluation_criteria": criteria, "user_scenario": scenario})
