"""One τ² domain as pure functions. A state is a task and what differs from the domain's base image.

The base image is loaded when a state is first made, once per process and domain (the registry keeps one object of
each); planning, which needs tasks and their provenance only, costs no import of the package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from actors.environments.copy_on_write import Tables, differences
from actors.environments.names import named
from actors.environments.tau2.machinery import Machinery
from actors.environments.tau2.packing import Classes, model_classes, packed_tables, unpacked_tables
from actors.environments.tau2.patience import owned
from actors.environments.tau2.scoring import UNSCORED_TOOLS, Criteria, read_criteria, score
from actors.environments.tau2.toolbox import SIDES, Toolbox
from actors.environments.tau2.upstream import Files
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
    passed: dict[str, bool] = field(init=False, repr=False, default_factory=dict)
    # the parts of the reward that the state decides, once they have been asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Staging:
    """How a task begins, and how it should end."""

    start: Tables
    criteria: Criteria
    gold: frozenset[tuple[str, str, bytes]] | None
    # the gold sequence's differences from the base; None: every state passes


class Tau2Environment:
    """Implements `rollouts.protocols.Environment` for one domain."""

    def __init__(self, *, files: Files, load: Callable[[], Machinery]) -> None:
        self._files = files
        self._load = load
        self._stagings: dict[bytes, Staging] = {}

    @cached_property
    def provenance(self) -> Provenance:
        source = self._files.source
        return Provenance(source=source.package, version=source.version, data_hash=self._files.data_hash)

    # -- tasks --------------------------------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        """Of one of the benchmark's splits. A task says which it belongs to: of several, the smallest.

        Retail, airline and telecom have "train", "test" and "base" (both); telecom also "small" and "full", which is all;
        banking_knowledge is not split: all of it is "base".
        """
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
            tools=self._toolbox.sides["actor"].specs,
            user_instructions=f"{self._files.user_guidelines}\n<scenario>\n{scenario}\n</scenario>\n",
            user_tools=tuple(
                spec for spec in self._toolbox.sides["user"].specs if self._machinery.shows_user(task.data, spec.name)
            ),
        )

    # -- play ---------------------------------------------------------------------------------------------------------

    def initial(self, task: Task) -> Tau2State:
        """The task's first state. UsageError when the task is of another domain, or cannot be played or rewarded here."""
        if task.domain != self._files.domain:
            raise UsageError(f"task {task.task_id!r} is of domain {task.domain!r}, this is {self._files.domain!r}")
        key = _task_key(task)
        return Tau2State(task=task, task_key=key, tables=self._staging(task, key).start)

    def apply(self, state: Tau2State, call: ToolCall, *, side: Side = "actor") -> Transition[Tau2State]:
        tables, content, is_error = self._toolbox.call(call, state.tables, side=side)
        after = state if tables is state.tables else replace(state, tables=tables)
        return Transition(state=after, content=content, is_error=is_error)

    def user_stop(self, text: str) -> StopReason | None:
        return next((stop for token, stop in STOP_TOKENS.items() if token in text), None)

    def reward(self, state: Tau2State, conversation: Conversation, stop: StopReason) -> Reward:
        """Exactly upstream's, parts that need a judge aside. ValueError for BUDGET: that return is unknown, not 0."""
        if stop is StopReason.BUDGET:
            raise ValueError("an episode that ran out of budget has no return; record it without a reward")
        staging = self._staging(state.task, state.task_key)
        if not state.passed:
            state.passed.update(self._passed(state, staging))
        is_action = self._machinery.is_action
        return score(staging.criteria, state.passed, conversation=conversation, stop=stop, is_action=is_action)

    def _passed(self, state: Tau2State, staging: Staging) -> Iterator[tuple[str, bool]]:
        criteria = staging.criteria
        if "DB" in criteria.basis:
            gold = staging.gold
            yield "DB", gold is None or differences(self._toolbox.database, state.tables) == gold
        if "ENV_ASSERTION" in criteria.basis:
            yield "ENV_ASSERTION", all(self._toolbox.holds(fact, state.tables) for fact in criteria.facts)

    def _staging(self, task: Task, key: bytes) -> Staging:
        """Each task is begun once, and its gold sequence played once, on the untouched base."""
        if key not in self._stagings:
            criteria = read_criteria(task, self._machinery.criteria)
            self._check_facts(task, criteria)
            start = self._started(task)
            self._stagings[key] = Staging(start=start, criteria=criteria, gold=self._gold(criteria, start))
        return self._stagings[key]

    def _gold(self, criteria: Criteria, tables: Tables) -> frozenset[tuple[str, str, bytes]] | None:
        if criteria.actions is None or "DB" not in criteria.basis:
            return None
        for action in criteria.actions:
            if action.call.name not in UNSCORED_TOOLS:
                tables, _, _ = self._toolbox.call(action.call, tables, side=action.side)
        return differences(self._toolbox.database, tables)

    def _started(self, task: Task) -> Tables:
        raw: Any = task.data.get("initial_state")
        try:
            initial = None if raw is None else self._machinery.initial_state.model_validate(owned(raw))
            if raw and raw.get("message_history"):
                raise ValueError("it has a `message_history`; an episode begins with the user's first message")
            return self._toolbox.started(task.data, initial)
        except ValueError as error:
            raise UsageError(f"task {task.task_id!r}: its `initial_state` cannot be played: {error}") from error

    def _check_facts(self, task: Task, criteria: Criteria) -> None:
        for fact in criteria.facts:
            tools = self._toolbox.sides[SIDES[fact.env_type]]
            if not (fact.func_name.startswith("assert_") and tools.has_function(fact.func_name)):
                raise UsageError(
                    f"task {task.task_id!r} asserts {fact.func_name!r}, which is none of the assertions that tau2 "
                    f"{self._files.domain} has about the {fact.env_type}'s side"
                )

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
        return model_classes([type(database) for database in self._machinery.databases])


def _task_key(task: Task) -> bytes:
    return digest(task.domain.encode(), canonical_json(task.data).encode())


def _split_of(task_id: str, splits: Mapping[str, frozenset[str]]) -> str:
    """The smallest split that holds the task: "base" holds all."""
    return min(
        (split for split, ids in splits.items() if task_id in ids),
        key=lambda split: len(splits[split]),
        default="unsplit",
    )
