"""What an evaluation counts: one trial is one episode of one task in one arm.

Trials of one task and one index are played from the same seeds in every arm, so they are compared in pairs. A trial without a
return is missing: it is counted by its reason, and never as a failure of the task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollouts.episode import Spend
from rollouts.meter import SOLVED

NOT_PLAYED = "not_played"
# the reason of a trial that nobody has tried yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    returned: float
    # the return, in [0, 1]
    stop: str
    # why the episode ended

    @property
    def solved(self) -> bool:
        return self.returned >= SOLVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    reason: str
    # a failure's kind; "budget" or "context_length", which end an episode without a return; NOT_PLAYED


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    task_id: str
    index: int
    result: Scored | Missing
    revisions: int = 0
    # how often the critic asked for one
    spend: Spend = field(default_factory=Spend)


def scored(trials: Iterable[Trial]) -> list[tuple[Trial, Scored]]:
    """Those with a return, and it."""
    return [(trial, trial.result) for trial in trials if isinstance(trial.result, Scored)]


def solved_by_task(trials: Iterable[Trial]) -> Mapping[str, list[bool]]:
    """Task → whether each of its trials with a return solved it; tasks without such a trial are absent."""
    tasks: dict[str, list[bool]] = {}
    for trial, result in scored(trials):
        tasks.setdefault(trial.task_id, []).append(result.solved)
    return tasks
