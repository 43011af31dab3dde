"""Upstream's own environment on its own mutable database: what ours must equal."""

from __future__ import annotations

import copy
import functools
import importlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from actors.environments.tau_bench import open_environment
from actors.environments.tau_bench.checkout import Checkout, find_checkout
from actors.environments.tau_bench.environment import TauBenchEnvironment, TauBenchState
from actors.environments.tau_bench.light_import import light_imports
from actors.environments.tau_bench.views import Views
from rollouts.episode import Task, ToolCall
from tests.environments.plans import call

open_once = functools.cache(open_environment)
# as the registry does


def all_tasks(domain: str) -> list[Task]:
    environment = open_once(domain)
    return [
        task
        for split in {"retail": ("train", "test", "dev"), "airline": ("test",)}[domain]
        for task in environment.tasks(split)
    ]


def gold_calls(task: Task) -> list[ToolCall]:
    actions: Any = task.data["actions"]
    return [call(action["name"], action["kwargs"]) for action in actions]


def whole_database(environment: TauBenchEnvironment, state: TauBenchState) -> dict[str, Any]:
    """A state as plain dictionaries."""
    return Views(environment._image, unwritten=frozenset()).whole_copy(state.overlay)


class PlainEnvironment:
    """Upstream's `Env` of one domain, with nobody as its user."""

    def __init__(self, domain: str) -> None:
        checkout: Checkout = find_checkout()
        with light_imports(str(checkout.root)):
            upstream = importlib.import_module("tau_bench.envs").get_env
            self._types = importlib.import_module("tau_bench.types")
            self._env = upstream(domain, user_strategy="human", user_model="", task_split="test", task_index=0)
        self._ends = self._env.terminate_tools
        self._raw = json.dumps(self._env.data)
        self._env.data_load_func = self.fresh

    def fresh(self) -> dict[str, Any]:
        """A new database that nobody has touched."""
        database: dict[str, Any] = json.loads(self._raw)
        return database

    def use(self, database: Mapping[str, Mapping[str, Any]]) -> None:
        """Let this be what `fresh` makes."""
        self._raw = json.dumps(database)

    def call(self, database: dict[str, Any], made: ToolCall) -> str | None:
        """Run one tool on `database`, in place. None where upstream breaks off because the tool answers nothing.

        Without the end that some tools bring: upstream would compute the reward, and replace the database by the gold one.
        """
        self._env.data, self._env.terminate_tools = database, []
        action = self._types.Action(name=made.name, kwargs=copy.deepcopy(dict(made.arguments)))
        try:
            observation: str = self._env.step(action).observation
        except ValidationError:
            return None
        return observation

    def hash(self, database: dict[str, Any]) -> str:
        self._env.data = database
        text: str = self._env.get_data_hash()
        return text

    def reward(self, database: dict[str, Any], task: Task, said: Sequence[str]) -> float:
        """Upstream's own, of an episode that ended with `database` after the actor had `said` this. Gives `database` up."""
        self._env.data, self._env.terminate_tools = database, self._ends
        self._env.task = self._types.Task.model_validate(copy.deepcopy(dict(task.data)))
        self._env.actions = [self._types.Action(name="respond", kwargs={"content": text}) for text in said]
        value: float = self._env.calculate_reward().reward
        return value


@functools.cache
def plain_environment(domain: str) -> PlainEnvironment:
    return PlainEnvironment(domain)


def same_answer(ours: str, plain: str | None) -> bool:
    return ours == plain or (plain is None and ours.endswith(" gave no answer"))
