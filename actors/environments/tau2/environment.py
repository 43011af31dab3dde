"""One τ² domain as pure functions. A state is a task and what differs from the domain's base image.

The base image is loaded when a state is first made, once per process and domain (the registry keeps one object of
each); planning, which needs tasks and their provenance only, costs no import of the package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from actors.environments.copy_on_write import Tables, differences
from actors.environments.names import named
from actors.environments.tau2.packing import Classes, model_classes, packed_tables, unpacked_tables
from actors.environments.tau2.scoring import Criteria, read_criteria, score
from actors.environments.tau2.toolbox import Toolbox
from actors.environments.tau2.upstream import PACKAGE, Files, Machinery
from rollouts.episode import Briefing, Conversation, JsonValue, Reward, Side, StopReason, Task, ToolCall
from rollouts.errors import DataError, UsageError
from rollouts.identity import canonical_json, digest
from rollouts.protocols import Provenance, Transition

STOP_TOKENS = {
    "###TRANSFER###": StopReason.TRANSFER,
    "###STOP###": StopReason.USER_STOP,
    "###OUT-OF-SCOPE###": StopReason.USER_STOP,
}
# tau2-bench, src/tau2/user/user_simulator_base.py; the first of these that a message contains


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tau2State:
    task: Task
    task_key: bytes
    # 16 bytes: identity of the task's record
    tables: Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Grading:
    criteria: Criteria
    gold: frozenset[tuple[str, str, bytes]] | None
    # the gold sequence's differences from the base; None: every state passes


class Tau2Environment:
    """Implements `rollouts.protocols.Environment` for one domain."""

    def __init__(self, *, files: Files, load: Callable[[], Machinery]) -> None:
        self._files = files
        self._load = load
        self._gradings: dict[bytes, Grading] = {}

    @cached_property
    def provenance(self) -> Provenance:
        return Provenance(source=PACKAGE, version=self._files.version, data_hash=self._files.data_hash)

    # -- tasks --------------------------------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        """Of "train", "test" or "base" (both). A task of "base" says which of the two it belongs to."""
        ids = named(split, self._files.splits, what=f"split of tau2 {self._files.domain}")
        return [task for task in self._tasks.values() if task.task_id in ids]

    @cached_property
    def _tasks(self) -> Mapping[str, Task]:
        domain, splits = self._files.domain, self._files.splits
        tasks = [
            Task(task_id=str(record["id"]), domain=domain, split=_split_of(str(record["id"]), splits), data=record)
            for record in self._files.tasks
        ]
        return {task.task_id: task for task in tasks}

    def briefing(self, task: Task) -> Briefing:
        scenario = self._machinery.scenario.model_validate(task.data["user_scenario"])
        return Briefing(
            policy=self._files.policy,
            tools=self._toolbox.specs,
            user_instructions=f"{self._files.user_guidelines}\n<scenario>\n{scenario}\n</scenario>\n",
        )

    # -- play ---------------------------------------------------------------------------------------------------------

    def initial(self, task: Task) -> Tau2State:
        """The task's first state. UsageError when the task is of another domain, or cannot be played or rewarded here."""
        if task.domain != self._files.domain:
            raise UsageError(f"task {task.task_id!r} is of domain {task.domain!r}, this is {self._files.domain!r}")
        if task.data.get("initial_state"):
            raise UsageError(f"task {task.task_id!r} has an `initial_state` of its own; only null is supported")
        state = Tau2State(task=task, task_key=_task_key(task), tables={})
        self._grading(state)
        return state

    def apply(self, state: Tau2State, call: ToolCall, *, side: Side = "actor") -> Transition[Tau2State]:
        if side == "user":
            return Transition(state=state, content=f"Error: the user has no tool {call.name!r} here.", is_error=True)
        tables, content, is_error = self._toolbox.call(call, state.tables)
        after = state if tables is state.tables else replace(state, tables=tables)
        return Transition(state=after, content=content, is_error=is_error)

    def user_stop(self, text: str) -> StopReason | None:
        return next((stop for token, stop in STOP_TOKENS.items() if token in text), None)

    def reward(self, state: Tau2State, conversation: Conversation, stop: StopReason) -> Reward:
        """Exactly upstream's, parts that need a judge aside. ValueError for BUDGET: that return is unknown, not 0."""
        if stop is StopReason.BUDGET:
            raise ValueError("an episode that ran out of budget has no return; record it without a reward")
        grading = self._grading(state)
        matches = grading.gold is None or differences(self._toolbox.image, state.tables) == grading.gold
        return score(grading.criteria, db_matches=matches, conversation=conversation, stop=stop)

    def _grading(self, state: Tau2State) -> Grading:
        """The gold sequence is played once for each task, on the untouched base."""
        if state.task_key not in self._gradings:
            criteria = read_criteria(state.task, self._machinery.criteria)
            gold = None if criteria.gold is None else differences(self._toolbox.image, self._played(criteria.gold))
            self._gradings[state.task_key] = Grading(criteria=criteria, gold=gold)
        return self._gradings[state.task_key]

    def _played(self, calls: Sequence[ToolCall]) -> Tables:
        tables: Tables = {}
        for call in calls:
            tables, _, _ = self._toolbox.call(call, tables)
        return tables

    # -- identity and storage -----------------------------------------------------------------------------------------

    def key(self, state: Tau2State) -> bytes:
        contents: dict[str, JsonValue] = {
            name: [
                {key: record.face.hex() if record else None for key, record in delta.records.items()},
                list(delta.appended),
            ]
            for name, delta in state.tables.items()
        }
        return digest(state.task_key, canonical_json(contents).encode())

    def dump(self, state: Tau2State) -> bytes:
        """The overlay as JSON; the task by its id, or whole where it is not one of the package's own."""
        task: JsonValue | dict[str, Any] = state.task.task_id
        if self._tasks.get(state.task.task_id) != state.task:
            task = {"task_id": state.task.task_id, "split": state.task.split, "data": state.task.data}
        stored = {"image": self._files.data_hash, "task": task, "tables": packed_tables(state.tables)}
        return json.dumps(stored, default=dict).encode()

    def load(self, data: bytes) -> Tau2State:
        """DataError when `data` is not a state over this domain's base image."""
        try:
            stored = json.loads(data)
            if stored["image"] != self._files.data_hash:
                raise ValueError(f"it is over the data {stored['image']!r}, here is {self._files.data_hash!r}")
            task = self._stored_task(stored["task"])
            tables = unpacked_tables(stored["tables"], self._classes)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DataError(f"not a state of tau2 {self._files.domain}: {error!r}; it must come from `dump`") from error
        return Tau2State(task=task, task_key=_task_key(task), tables=tables)

    def _stored_task(self, stored: Any) -> Task:
        return self._tasks[stored] if isinstance(stored, str) else Task(domain=self._files.domain, **stored)

    # -- what is loaded once ------------------------------------------------------------------------------------------

    @cached_property
    def _machinery(self) -> Machinery:
        return self._load()

    @cached_property
    def _toolbox(self) -> Toolbox:
        return Toolbox(self._machinery)

    @cached_property
    def _classes(self) -> Classes:
        return model_classes(type(self._machinery.database))


def _task_key(task: Task) -> bytes:
    return digest(task.domain.encode(), canonical_json(task.data).encode())


def _split_of(task_id: str, splits: Mapping[str, frozenset[str]]) -> str:
    """The smallest split that holds the task: "base" holds all."""
    return min(
        (split for split, ids in splits.items() if task_id in ids),
        key=lambda split: len(splits[split]),
        default="unsplit",
    )
