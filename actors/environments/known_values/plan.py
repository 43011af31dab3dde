"""What one task of the known-values world consists of: stages to pass, what the actor does at each, and the rules for errors.

The task's record holds its plan in full, and the values depend on nothing else: no number of a plan is drawn later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, TypeAlias

from rollouts.episode import JsonValue, Task
from rollouts.errors import UsageError

StageKind: TypeAlias = Literal["read", "write", "message"]
STAGE_KINDS: tuple[StageKind, ...] = ("read", "write", "message")
LETTERS = "abcdefgh"
# the options' names


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What becomes of errors. ValueError for what is no probability, and for a setting that has no effect."""

    solved: tuple[float, ...]
    # chance of a return of 1 with 0, 1, 2, … errors left at the end; the last one holds for more. Never increasing
    noise: float = 0.0
    # chance that an action's effect is turned into its opposite: right into wrong, wrong into right
    delay: int = 0
    # an error shows in the user's first answer at least so many stages after it; one that never shows counts all the same
    recovery_steps: int = 0
    # attempts at a repair, each times the errors show
    recovery: float = 0.0
    # chance that one attempt repairs one error
    diligence: float = 0.0
    # chance that the actor makes an attempt while it can
    gives_up: float = 0.0
    # chance that the actor hands the user over while errors show; the return is then 0
    heeds: float = 0.8
    # chance that the actor does what a critic advises

    def __post_init__(self) -> None:
        chances = (*self.solved, self.noise, self.recovery, self.diligence, self.gives_up, self.heeds)
        if not all(0 <= chance <= 1 for chance in chances) or self.diligence + self.gives_up > 1:
            raise ValueError(f"chances must lie in [0, 1], as must diligence + gives_up; got {self}")
        if not self.solved or list(self.solved) != sorted(self.solved, reverse=True):
            raise ValueError(f"solved needs at least one chance, never increasing with more errors; got {self.solved}")
        if min(self.delay, self.recovery_steps) < 0:
            raise ValueError(f"delay and recovery_steps must be at least 0; got {self.delay} and {self.recovery_steps}")
        if (self.recovery_steps > 0) != (self.recovery > 0) or (self.recovery_steps > 0) != (self.diligence > 0):
            raise ValueError(f"recovery_steps, recovery and diligence have an effect only together; got {self}")
        if self.delay and not (self.recovery_steps or self.gives_up):
            raise ValueError(
                "delay has an effect only where errors that show can be repaired or make the actor give up"
            )

    @property
    def most(self) -> int:
        """More errors than these make no difference."""
        return len(self.solved) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    kind: StageKind
    # a call that reads, a call that writes, or a statement to the user
    chances: tuple[float, ...]
    # of each option, to be the actor's choice; they sum to 1
    fine: tuple[bool, ...]
    # whether an option does what is wanted; any other makes an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    stages: tuple[Stage, ...]
    rules: Rules
    settles: tuple[tuple[int, ...], ...]
    # the stages whose effects are decided with the user's answer at each stage; the last entry: with its answer to the goodbye
    shows: tuple[int | None, ...]
    # the stage at which an error of each stage shows, None where it never does

    @property
    def depth(self) -> int:
        return len(self.stages)

    @property
    def longest_play(self) -> int:
        """Actor steps that no play exceeds: every stage, every possible repair (a call and a question), the goodbye."""
        alarms = sum(stage.kind == "message" for stage in self.stages)
        return self.depth + 2 * self.rules.recovery_steps * alarms + 1


def lay_out(stages: Sequence[Stage], rules: Rules) -> Plan:
    settles: list[tuple[int, ...]] = []
    waiting: tuple[int, ...] = ()
    for index, stage in enumerate(stages):
        waiting = waiting if stage.kind == "read" else (*waiting, index)
        settles.append(waiting if stage.kind == "message" else ())
        waiting = () if stage.kind == "message" else waiting
    answers = [index for index, stage in enumerate(stages) if stage.kind == "message"]
    shows = (next((at for at in answers if at >= made + rules.delay), None) for made in range(len(stages)))
    return Plan(stages=tuple(stages), rules=rules, settles=(*settles, waiting), shows=tuple(shows))


# -- the task's record ------------------------------------------------------------------------------------------------


def record_of(plan: Plan) -> dict[str, JsonValue]:
    stages: list[JsonValue] = [
        {"kind": stage.kind, "chances": list(stage.chances), "fine": list(stage.fine)} for stage in plan.stages
    ]
    rules = asdict(plan.rules) | {"solved": list(plan.rules.solved)}
    return {"stages": stages, "rules": rules}


def plan_of(task: Task) -> Plan:
    """UsageError when the task's record is none of this world."""
    data: Mapping[str, Any] = task.data
    try:
        known = {field.name: data["rules"][field.name] for field in fields(Rules)}
        rules = Rules(**known | {"solved": tuple(known["solved"])})
        return lay_out([_stage(stage) for stage in data["stages"]], rules)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"task {task.task_id!r} holds no plan of the known-values world: {error!r}") from error


def _stage(record: Mapping[str, Any]) -> Stage:
    chances, fine = tuple(map(float, record["chances"])), tuple(map(bool, record["fine"]))
    if record["kind"] not in STAGE_KINDS or not 0 < len(chances) == len(fine) <= len(LETTERS):
        raise ValueError(f"a stage has a kind of {STAGE_KINDS} and up to {len(LETTERS)} options; got {record}")
    if min(chances) < 0 or abs(sum(chances) - 1) > 1e-9:
        raise ValueError(f"the chances of a stage's options must sum to 1; got {chances}")
    return Stage(kind=record["kind"], chances=chances, fine=fine)
