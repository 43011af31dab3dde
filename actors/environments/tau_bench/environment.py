"""One τ-bench domain as pure functions. A state is a task and the records that differ from the base: a fork is a reference.

The base image is loaded when a state is first made, once per process and domain (the registry keeps one object of each).
Planning needs tasks and their provenance only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from actors.environments.names import named
from actors.environments.tau_bench import upstream
from actors.environments.tau_bench.checkout import Checkout
from actors.environments.tau_bench.domains import Domain
from actors.environments.tau_bench.overlay import EMPTY, Differences, Image, Overlay
from actors.environments.tau_bench.packing import packed, unpacked
from actors.environments.tau_bench.scoring import Grading
from actors.environments.tau_bench.toolbox import Toolbox
from rollouts.episode import Briefing, Conversation, Reward, Side, StopReason, Task, ToolCall
from rollouts.errors import DataError, UsageError
from rollouts.identity import canonical_json, digest
from rollouts.protocols import Provenance, Transition

SOURCE = "tau-bench"
STOP_TOKEN = "###STOP###"
# anywhere in the user's message (tau_bench/envs/base.py)
ENDS = tuple(stop for stop in StopReason if stop.terminated)
# told once: the property costs a quarter of a reward that is asked for again
RESPOND = "respond"
# upstream's name for a message to the user among a task's actions
LoadTables: TypeAlias = Callable[[Domain, Checkout], Mapping[str, Mapping[str, Any]]]
FAILED = ("Error:", "Unknown action ")
# how answers begin that say that nothing was done


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One task in this domain; shared by all of its states."""

    task: Task
    key: bytes
    # 16 bytes: identity of the task's record
    grading: Grading


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TauBenchState:
    assignment: Assignment
    overlay: Overlay


class TauBenchEnvironment:
    """Implements `rollouts.protocols.Environment` for one domain."""

    def __init__(self, domain: Domain, checkout: Checkout, *, load_tables: LoadTables = upstream.tables) -> None:
        self._domain = domain
        self._checkout = checkout
        self._load_tables = load_tables
        self._assignments: dict[bytes, Assignment] = {}

    @cached_property
    def provenance(self) -> Provenance:
        hashed = upstream.data_hash(self._domain, self._checkout)
        return Provenance(source=SOURCE, version=self._checkout.version, data_hash=hashed)

    # -- tasks --------------------------------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        """Retail has "train", "test" and "dev", airline "test" only. An id is the split and upstream's index: "train-17"."""
        return list(named(split, self._splits, what=f"split of tau_bench {self._domain.name}"))

    @cached_property
    def _splits(self) -> Mapping[str, Sequence[Task]]:
        return {
            split: [
                Task(task_id=f"{split}-{index}", domain=self._domain.name, split=split, data=record)
                for index, record in enumerate(records)
            ]
            for split, records in self._machinery.tasks.items()
        }

    @cached_property
    def _tasks(self) -> Mapping[str, Task]:
        return {task.task_id: task for tasks in self._splits.values() for task in tasks}

    def briefing(self, task: Task) -> Briefing:
        return Briefing(
            policy=self._machinery.policy,
            tools=self._toolbox.specs,
            user_instructions=self._machinery.user_prompt(str(task.data["instruction"])),
        )

    # -- play ---------------------------------------------------------------------------------------------------------

    def initial(self, task: Task) -> TauBenchState:
        """UsageError for a task of another domain, or with a record that is not as the benchmark defines it."""
        return TauBenchState(assignment=self._assigned(task), overlay=EMPTY)

    def apply(self, state: TauBenchState, call: ToolCall, *, side: Side = "actor") -> Transition[TauBenchState]:
        """The user has no tools here: a call of its side is one of an unknown tool."""
        if side == "user":
            return Transition(state=state, content=f"Unknown action {call.name}", is_error=True)
        overlay, content = self._toolbox.call(call, state.overlay)
        after = state if overlay is state.overlay else TauBenchState(assignment=state.assignment, overlay=overlay)
        stop = StopReason.TRANSFER if call.name in self._domain.ends else None
        return Transition(state=after, content=content, is_error=content.startswith(FAILED), stop=stop)

    def user_stop(self, text: str) -> StopReason | None:
        return StopReason.USER_STOP if STOP_TOKEN in text else None

    def reward(self, state: TauBenchState, conversation: Conversation, stop: StopReason) -> Reward:
        """Exactly upstream's. ValueError for BUDGET: that return is unknown, not 0."""
        grading = state.assignment.grading
        if stop in ENDS:
            return grading.reward(state.overlay.differences(self._image), conversation)
        if stop is StopReason.BUDGET:
            raise ValueError("an episode that ran out of budget has no return; record it without a reward")
        return grading.unfinished()

    # -- what is known of a task --------------------------------------------------------------------------------------

    def _assigned(self, task: Task) -> Assignment:
        """The gold sequence is played once for each task, on the untouched base."""
        key = digest(task.domain.encode(), canonical_json(task.data).encode())
        known = self._assignments.get(key)
        if known is None or known.task != task:
            known = self._assignments[key] = Assignment(task=task, key=key, grading=self._grading(task))
        return known

    def _grading(self, task: Task) -> Grading:
        if task.domain != self._domain.name:
            raise UsageError(f"task {task.task_id!r} is of domain {task.domain!r}, this is {self._domain.name!r}")
        try:
            record = self._machinery.task.model_validate(task.data)
        except ValueError as error:
            raise UsageError(f"task {task.task_id!r} is not as tau_bench defines one: {error}") from error
        return Grading(gold=self._gold(record), outputs=record.outputs)

    def _gold(self, record: Any) -> Differences:
        overlay = EMPTY
        for action in record.actions:
            if action.name not in self._domain.ends and action.name != RESPOND:
                call = ToolCall(call_id="gold", name=action.name, arguments=action.kwargs)
                overlay, _ = self._toolbox.call(call, overlay)
        return overlay.differences(self._image)

    # -- identity and storage -----------------------------------------------------------------------------------------

    def key(self, state: TauBenchState) -> bytes:
        return digest(state.assignment.key, state.overlay.key)

    def dump(self, state: TauBenchState) -> bytes:
        """The overlay as JSON; the task by its id, or whole where it is not one of the package's own."""
        task = state.assignment.task
        named_task: object = task.task_id
        if self._tasks.get(task.task_id) != task:
            named_task = {"task_id": task.task_id, "split": task.split, "data": task.data}
        stored = {"image": self.provenance.data_hash, "task": named_task, "database": packed(state.overlay)}
        return json.dumps(stored, default=dict, separators=(",", ":")).encode()

    def load(self, data: bytes) -> TauBenchState:
        """DataError when `data` is not a state over this domain's base image."""
        try:
            stored = json.loads(data)
            if stored["image"] != self.provenance.data_hash:
                raise ValueError(f"it is over the data {stored['image']!r}, here is {self.provenance.data_hash!r}")
            task = self._stored_task(stored["task"])
            overlay = unpacked(stored["database"], self._image)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DataError(
                f"not a state of tau_bench {self._domain.name}: {error!r}; it must come from `dump`"
            ) from error
        return TauBenchState(assignment=self._assigned(task), overlay=overlay)

    def _stored_task(self, stored: Any) -> Task:
        return self._tasks[stored] if isinstance(stored, str) else Task(domain=self._domain.name, **stored)

    # -- what is loaded once ------------------------------------------------------------------------------------------

    @cached_property
    def _machinery(self) -> upstream.Machinery:
        return upstream.machinery(self._domain, self._checkout)

    @cached_property
    def _image(self) -> Image:
        return Image(self._load_tables(self._domain, self._checkout))

    @cached_property
    def _toolbox(self) -> Toolbox:
        return Toolbox(self._domain, image=self._image, tools=self._machinery.tools)
