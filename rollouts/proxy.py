"""The critic as a proxy: its scores are cheap and biased, rollouts are dear and true; together they estimate a mean return.

Every unit (a draft of a state, a state of a task) has a score, and each is played out with a known chance, its propensity. With

    z = score + [played out] (return − score) / propensity,          E z = E return, whatever the scores are:

a bad critic costs width, never truth, and where everything is played out the scores change nothing. This is the debiased proxy of
arXiv 2601.21471 (a cheap biased judge, audited truth); in statistics the augmented inverse-propensity-weighted estimator of
Robins, Rotnitzky, Zhao, JASA 89, 1994.

The interval is the predictable plug-in empirical-Bernstein sequence of Waudby-Smith, Ramdas (arXiv 2010.09686, theorem 2): it
holds at every time, and it shrinks with the variance of z, which a good critic makes small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rollouts.estimates import Interval

_MOST_BET = 0.5
# a bet above it could lose everything at one surprise; the paper's choice


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyUnit:
    """ValueError for a score or return outside [0, 1], or a propensity outside (0, 1]."""

    score: float
    # what the critic expects
    propensity: float
    # the chance that it was played out, fixed before its return was known
    returned: float | None
    # None: it was not played out

    def __post_init__(self) -> None:
        if not 0 < self.propensity <= 1:
            raise ValueError(f"a propensity must lie in (0, 1], got {self.propensity}")
        if not 0 <= self.score <= 1 or not 0 <= (self.returned or 0.0) <= 1:
            raise ValueError(f"scores and returns must lie in [0, 1], got {self.score} and {self.returned}")
        if self.propensity == 1 and self.returned is None:
            raise ValueError("a unit with propensity 1 is always played out, this one has no return")

    @property
    def debiased(self) -> float:
        """z: its mean is the mean return."""
        if self.returned is None:
            return self.score
        return self.score + (self.returned - self.score) / self.propensity


def proxy_value(units: Sequence[ProxyUnit], *, level: float) -> Interval:
    """Mean return of units that are drawn alike, in an order that their returns have no part in.

    Without units nothing is known: mean 0.5, bounds 0 and 1. ValueError unless 0 < level < 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    if not units:
        return Interval(mean=0.5, lower=0.0, upper=1.0)
    reach = 1 / min(unit.propensity for unit in units)
    low, width = 1 - reach, 2 * reach - 1
    # every z lies in [low, low + width]
    centre, radius = _empirical_bernstein([(unit.debiased - low) / width for unit in units], level)
    mean = min(max(sum(unit.debiased for unit in units) / len(units), 0.0), 1.0)
    lower, upper = low + width * (centre - radius), low + width * (centre + radius)
    return Interval(mean=mean, lower=min(max(lower, 0.0), mean), upper=max(min(upper, 1.0), mean))


def _empirical_bernstein(values: Sequence[float], level: float) -> tuple[float, float]:
    """Centre and radius after all of `values`, each in [0, 1]; bets are placed on what was seen before."""
    error = math.log(2 / (1 - level))
    bets = weighted = penalty = 0.0
    total, squares = 0.5, 0.25
    # as if one value of mean 1/2 and variance 1/4 had been seen
    for t, value in enumerate(values, start=1):
        mean, variance = total / t, squares / t
        bet = min(math.sqrt(2 * error / (variance * t * math.log(1 + t))), _MOST_BET)
        bets += bet
        weighted += bet * value
        penalty += (value - mean) ** 2 * (-math.log1p(-bet) - bet)
        total += value
        squares += (value - total / (t + 1)) ** 2
    return weighted / bets, (error + penalty) / bets
