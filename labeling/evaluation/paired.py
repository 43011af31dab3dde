"""One arm against the baseline, trial by trial: the same task, the same seeds, one thing changed.

A pair is a task and a trial index with a return in both arms; nothing else counts.
Helpfulness is the share of the baseline's failures that the arm turned into successes, harmfulness the share of the
baseline's successes that it turned into failures. Where all tasks have equally many pairs, pass^1 differs by
(helped − harmed) / pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import fsum

from labeling.evaluation.resampling import DIFFERENCE, Estimate, Resampling, over_tasks
from labeling.evaluation.trials import Trial, scored
from rollouts.estimates import Interval, jeffreys_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """How many of the pairs that could turn did."""

    count: int
    of: int
    share: Interval | None
    # Jeffreys interval over pairs, as if they were independent: with several trials of one task it is somewhat too narrow;
    # None when no pair could turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    arm: str
    baseline: str
    num_pairs: int
    difference: Estimate | None
    # pass^1 of the arm minus that of the baseline over the pairs, by task; None without a pair
    helpfulness: Turned
    harmfulness: Turned


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    task_id: str
    baseline: bool
    # solved
    arm: bool


def compare(
    arm: str, trials: Sequence[Trial], *, baseline: str, against: Sequence[Trial], resampling: Resampling
) -> Comparison:
    """`trials` of `arm` and `against` of `baseline`."""
    pairs = _pairs(trials, against)
    return Comparison(
        arm=arm,
        baseline=baseline,
        num_pairs=len(pairs),
        difference=over_tasks(_differences(pairs), resampling, scale=DIFFERENCE, place=f"{arm} - {baseline}"),
        helpfulness=_turned([pair.arm for pair in pairs if not pair.baseline], level=resampling.level),
        harmfulness=_turned([not pair.arm for pair in pairs if pair.baseline], level=resampling.level),
    )


def _pairs(trials: Iterable[Trial], against: Iterable[Trial]) -> list[_Pair]:
    known = {(trial.task_id, trial.index): result.solved for trial, result in scored(against)}
    return [
        _Pair(task_id=trial.task_id, baseline=known[trial.task_id, trial.index], arm=result.solved)
        for trial, result in scored(trials)
        if (trial.task_id, trial.index) in known
    ]


def _differences(pairs: Iterable[_Pair]) -> list[float]:
    """One value per task: its pairs' mean difference."""
    tasks: dict[str, list[int]] = {}
    for pair in pairs:
        tasks.setdefault(pair.task_id, []).append(pair.arm - pair.baseline)
    return [fsum(differences) / len(differences) for differences in tasks.values()]


def _turned(turned: Sequence[bool], *, level: float) -> Turned:
    count, of = sum(turned), len(turned)
    return Turned(count=count, of=of, share=jeffreys_interval(count, of, level=level) if of else None)
