"""Whether a critic says what the plays say: its verdicts and scores against decided Monte-Carlo labels.

A label that abstains claims nothing, and a draft without a readable answer has nothing to compare: both are counted, neither is
guessed. A score is the probability that the draft should be approved, so the label "approve" is the event that it foretells.

- AUC: the chance that an approved draft scores higher than a revised one, ties counting half (Mann and Whitney 1947; Hanley and
  McNeil, "The Meaning and Use of the Area under a ROC Curve", Radiology 143, 1982).
- Brier score: the mean squared error of the probability (Brier, Monthly Weather Review 78, 1950); 0.25 is what 0.5 always gets.
- Intervals resample tasks, not labels: the drafts of one task are alike (labeling.evaluation.resampling).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import fsum
from typing import TypeAlias

from labeling.evaluation.resampling import Estimate, Resampling
from labeling.records import LabelName
from rollouts.estimates import jeffreys_interval
from rollouts.seeds import derive_seed

BINS = 10
LEAST_RESAMPLES = 100
MOST_STEPS = 20_000_000
# labels times resamples: about ten seconds; with more labels there are fewer resamples, and less need of them


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedLabel:
    """A label, and what the critic said of the same draft."""

    task_id: str
    label: LabelName
    verdict: str | None
    # approve or revise; None: there is none that could be read
    score: float | None
    # of approval; None where the critic gives none
    answered: bool
    # False: the question could not be answered at all


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Decided labels whose scores lie in [lower, upper); the last bin has its upper end, too."""

    lower: float
    upper: float
    count: int
    mean_score: float | None
    # None without a label
    approved: float | None
    # the share of them whose label is approve


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """With one labeler."""

    labels: int
    # about drafts that were scored
    abstained: int
    # those of them that claim nothing
    unreadable: int
    # decided ones whose draft got an answer that could not be read
    unanswered: int
    # decided ones whose question could not be answered
    confusion: dict[str, dict[str, int]]
    # label → verdict → labels
    accuracy: Estimate | None
    # share of decided labels with a verdict that is the label's; None without one
    auc: Estimate | None
    # None without scores of both an approved and a revised draft
    brier: Estimate | None
    # None without a score
    calibration: tuple[Bin, ...]
    # by ascending score; empty without a score

    @property
    def compared(self) -> int:
        """Decided labels with a verdict."""
        return sum(sum(verdicts.values()) for verdicts in self.confusion.values())


Scored: TypeAlias = tuple[float, bool]
# a score, and whether the label is approve


def agreement(judged: Iterable[JudgedLabel], resampling: Resampling) -> Agreement:
    """The labels may come in any order that is the same every time."""
    known = list(judged)
    decided = [one for one in known if one.label != "abstain"]
    ruled = [one for one in decided if one.verdict is not None]
    scored = [one for one in decided if one.score is not None]
    return Agreement(
        labels=len(known),
        abstained=len(known) - len(decided),
        unreadable=sum(one.verdict is None and one.answered for one in decided),
        unanswered=sum(not one.answered for one in decided),
        confusion=_confusion(ruled),
        accuracy=_estimate(ruled, _accuracy, resampling, "accuracy"),
        auc=_estimate(scored, lambda some: auc(map(_scored, some)), resampling, "auc"),
        brier=_estimate(scored, lambda some: brier(map(_scored, some)), resampling, "brier"),
        calibration=calibration(map(_scored, scored)) if scored else (),
    )


def auc(scored: Iterable[Scored]) -> float | None:
    """None unless both labels occur."""
    approved = revised = 0
    won = 0.0
    for _, tied in groupby(sorted(scored), key=lambda one: one[0]):
        labels = [label for _, label in tied]
        ups = sum(labels)
        downs = len(labels) - ups
        won += ups * (revised + downs / 2)
        approved, revised = approved + ups, revised + downs
    return won / (approved * revised) if approved and revised else None


def brier(scored: Iterable[Scored]) -> float | None:
    """None without a score."""
    errors = [(score - label) ** 2 for score, label in scored]
    return fsum(errors) / len(errors) if errors else None


def calibration(scored: Iterable[Scored], *, bins: int = BINS) -> tuple[Bin, ...]:
    """Bins of equal width over [0, 1], all of them. ValueError for a score outside."""
    found: list[list[Scored]] = [[] for _ in range(bins)]
    for score, label in scored:
        if not 0 <= score <= 1:
            raise ValueError(f"a score is a probability in [0, 1], got {score}")
        found[min(int(score * bins), bins - 1)].append((score, label))
    return tuple(_bin(index / bins, (index + 1) / bins, some) for index, some in enumerate(found))


def _bin(lower: float, upper: float, some: Sequence[Scored]) -> Bin:
    return Bin(
        lower=lower,
        upper=upper,
        count=len(some),
        mean_score=fsum(score for score, _ in some) / len(some) if some else None,
        approved=sum(label for _, label in some) / len(some) if some else None,
    )


def _confusion(ruled: Iterable[JudgedLabel]) -> dict[str, dict[str, int]]:
    counts = {label: dict.fromkeys(("approve", "revise"), 0) for label in ("approve", "revise")}
    for one in ruled:
        assert one.verdict is not None
        counts[one.label][one.verdict] += 1
    return counts


def _scored(one: JudgedLabel) -> Scored:
    assert one.score is not None
    return one.score, one.label == "approve"


def _accuracy(ruled: Sequence[JudgedLabel]) -> float | None:
    return sum(one.verdict == one.label for one in ruled) / len(ruled) if ruled else None


# -- intervals --------------------------------------------------------------------------------------------------------

Measure: TypeAlias = Callable[[Sequence[JudgedLabel]], float | None]


def _estimate(some: Sequence[JudgedLabel], measure: Measure, resampling: Resampling, place: str) -> Estimate | None:
    """The measure and a percentile interval over resampled tasks; draws in which it is not defined are left out.

    Where no draw differs there is nothing to resample: the interval is then that of as many tasks that all agree.
    """
    value = measure(some)
    if value is None:
        return None
    tasks = _by_task(some)
    drawn = sorted(_draws(tasks, measure, resampling, place))
    if not drawn or drawn[0] == drawn[-1]:
        unseen = jeffreys_interval(0, len(tasks), level=resampling.level).upper
        lower, upper = value - unseen * value, value + unseen * (1 - value)
    else:
        cut = int((1 - resampling.level) / 2 * len(drawn))
        lower, upper = drawn[cut], drawn[-1 - cut]
    return Estimate(mean=value, lower=min(lower, value), upper=max(upper, value), tasks=len(tasks))


def _by_task(some: Iterable[JudgedLabel]) -> list[list[JudgedLabel]]:
    tasks: dict[str, list[JudgedLabel]] = {}
    for one in some:
        tasks.setdefault(one.task_id, []).append(one)
    return list(tasks.values())


def _draws(
    tasks: Sequence[Sequence[JudgedLabel]], measure: Measure, resampling: Resampling, place: str
) -> Iterable[float]:
    draw = random.Random(derive_seed(resampling.seed, "agreement", place))
    total = sum(map(len, tasks))
    for _ in range(min(resampling.resamples, max(LEAST_RESAMPLES, MOST_STEPS // total))):
        again = [one for task in draw.choices(tasks, k=len(tasks)) for one in task]
        if (value := measure(again)) is not None:
            yield value
