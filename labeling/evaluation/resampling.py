"""Intervals of a mean over tasks, by resampling whole tasks: trials of one task are alike, not independent evidence.

The percentile bootstrap: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13. Where every task has
the same value it has nothing to resample, and an interval without width would claim too much; there the interval says how
many of all tasks could be otherwise: a share of up to u, the upper Jeffreys bound of 0 in n (`rollouts.estimates`), each by
as much as its scale allows. With fewer than about 20 tasks a percentile interval is somewhat too narrow; the number of
tasks always stands with it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from rollouts.estimates import jeffreys_interval
from rollouts.seeds import derive_seed

SHARE = (0.0, 1.0)
DIFFERENCE = (-1.0, 1.0)
# least and greatest value of one task


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How intervals are made; the same one gives the same intervals."""

    level: float
    # nominal coverage
    resamples: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over tasks and its interval."""

    mean: float
    lower: float
    upper: float
    tasks: int


def over_tasks(
    values: Sequence[float], resampling: Resampling, *, scale: tuple[float, float], place: str
) -> Estimate | None:
    """The mean of one value per task; None without a task. `place` names the measure, so that each has its own chance.

    ValueError for a value outside the scale.
    """
    least, greatest = scale
    if not values:
        return None
    if outside := [value for value in values if not least <= value <= greatest]:
        raise ValueError(f"needs values in [{least:g}, {greatest:g}], got {outside[0]}")
    mean = min(max(fsum(values) / len(values), least), greatest)
    if min(values) == max(values):
        unseen = jeffreys_interval(0, len(values), level=resampling.level).upper
        lower, upper = mean - unseen * (mean - least), mean + unseen * (greatest - mean)
    else:
        lower, upper = _percentiles(values, resampling, derive_seed(resampling.seed, "resampling", place))
    return Estimate(mean=mean, lower=min(lower, mean), upper=max(upper, mean), tasks=len(values))


def _percentiles(values: Sequence[float], resampling: Resampling, seed: int) -> tuple[float, float]:
    draw = random.Random(seed)
    n = len(values)
    means = sorted(sum(draw.choices(values, k=n)) / n for _ in range(resampling.resamples))
    cut = int((1 - resampling.level) / 2 * resampling.resamples)
    return means[cut], means[-1 - cut]
