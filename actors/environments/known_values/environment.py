"""One family of the known-values world as an `Environment`: tasks drawn from seeds, states of a few facts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from functools import cached_property
from operator import attrgetter
from typing import Any

from actors.environments.known_values.course import Course
from actors.environments.known_values.families import Parameters, make_plan
from actors.environments.known_values.plan import Plan, plan_of, record_of
from actors.environments.known_values.tools import ACTOR_TOOLS, USER_TOOLS, KnownState, apply_call
from actors.environments.known_values.words import STOP
from actors.environments.names import named
from rollouts.episode import Briefing, Conversation, Reward, Side, StopReason, Task, ToolCall
from rollouts.errors import DataError, UsageError
from rollouts.identity import canonical_json, digest
from rollouts.protocols import Provenance, Transition

VERSION = "1"
# of the rules by which tasks are drawn and played: a change of either is a new version
SPLITS: Mapping[str, range] = {"train": range(64), "test": range(64, 96)}
# numbers of a family's tasks
_FACTS = attrgetter(*(fact.name for fact in fields(Course)))
POLICY = (
    "Lead the user through the stages in order: by a call of look_up or act, or by saying which option you go with. When the "
    "user says that something is wrong, repair it and ask whether it works now. Say goodbye after the last stage."
)


class KnownValuesEnvironment:
    """Implements `rollouts.protocols.Environment` for one family."""

    def __init__(self, family: str, parameters: Parameters) -> None:
        self._family = family
        self._parameters = parameters
        self._starts: dict[str, KnownState] = {}
        # by task id

    @cached_property
    def provenance(self) -> Provenance:
        records = (canonical_json(task.data).encode() for task in self._tasks.values())
        return Provenance(source="treeroll known_values", version=VERSION, data_hash=digest(*records).hex())

    # -- tasks --------------------------------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        numbers = named(split, SPLITS, what=f"split of known_values {self._family}")
        return [self._tasks[self._task_id(number)] for number in numbers]

    @cached_property
    def _tasks(self) -> Mapping[str, Task]:
        return {self._task_id(n): self._task(n, split) for split, numbers in SPLITS.items() for n in numbers}

    def _task_id(self, number: int) -> str:
        return f"{self._family}-{number:02}"

    def _task(self, number: int, split: str) -> Task:
        record = record_of(make_plan(self._family, number, self._parameters))
        return Task(task_id=self._task_id(number), domain=self._family, split=split, data=record)

    def briefing(self, task: Task) -> Briefing:
        return Briefing(
            policy=POLICY,
            tools=ACTOR_TOOLS,
            user_instructions=f"You have a problem whose solution takes {plan_of(task).depth} stages.",
            user_tools=USER_TOOLS,
        )

    # -- play ---------------------------------------------------------------------------------------------------------

    def initial(self, task: Task) -> KnownState:
        """UsageError for a task of another family, or one whose record holds no plan."""
        if task.domain != self._family:
            raise UsageError(f"task {task.task_id!r} is of domain {task.domain!r}, this is {self._family!r}")
        known = self._starts.get(task.task_id)
        if known is None or known.task != task:
            known = self._starts[task.task_id] = _start(task)
        return known

    def apply(self, state: KnownState, call: ToolCall, *, side: Side = "actor") -> Transition[KnownState]:
        return apply_call(state, call, side)

    def user_stop(self, text: str) -> StopReason | None:
        return StopReason.USER_STOP if STOP in text else None

    def reward(self, state: KnownState, conversation: Conversation, stop: StopReason) -> Reward:
        """1 where the user says that it has what it needed. ValueError for BUDGET: that return is unknown, not 0."""
        if stop is StopReason.BUDGET:
            raise ValueError("an episode that ran out of budget has no return; record it without a reward")
        value = float(state.course.end == "solved")
        return Reward(value=value, basis=("SOLVED",), parts={"SOLVED": value})

    # -- identity and storage -----------------------------------------------------------------------------------------

    def key(self, state: KnownState) -> bytes:
        return digest(state.task_key, repr(_FACTS(state.course)).encode(), state.choices.encode())

    def dump(self, state: KnownState) -> bytes:
        """JSON; the task by its id, or whole where it is not one of the family's own."""
        task: Any = state.task.task_id
        if self._tasks.get(task) != state.task:
            task = {"task_id": task, "split": state.task.split, "data": state.task.data}
        stored = {"task": task, "course": asdict(state.course), "choices": state.choices}
        return json.dumps(stored | {"data_hash": self.provenance.data_hash}, default=dict).encode()

    def load(self, data: bytes) -> KnownState:
        """DataError when `data` is not a state of this family."""
        try:
            stored = json.loads(data)
            if stored["data_hash"] != self.provenance.data_hash:
                raise ValueError(f"it is over the data {stored['data_hash']!r}, here is {self.provenance.data_hash!r}")
            task = stored["task"]
            task = self._tasks[task] if isinstance(task, str) else Task(domain=self._family, **task)
            return _start(task, course=_course(stored["course"]), choices=stored["choices"])
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DataError(f"not a state of {self._family}: {error!r}; it must come from `dump`") from error


def _start(task: Task, *, course: Course | None = None, choices: str = "") -> KnownState:
    plan: Plan = plan_of(task)
    key = digest(task.domain.encode(), canonical_json(task.data).encode())
    return KnownState(task=task, task_key=key, plan=plan, course=course or Course(), choices=choices)


def _course(record: Mapping[str, Any]) -> Course:
    pending = tuple((int(stage), bool(wrong)) for stage, wrong in record["pending"])
    return Course(**{**record, "pending": pending, "hidden": tuple(record["hidden"])})
