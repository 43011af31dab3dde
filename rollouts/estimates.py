"""Intervals for action values. Never a Wald interval: it has zero width at 10/10.

The Jeffreys interval is the equal-tailed credible interval of Beta(s + 1/2, n − s + 1/2), with the bound set to 0 (1) when no
(every) rollout succeeded: Brown, Cai, DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science 16(2), 2001.
The interval of a difference combines two such intervals by the square-and-add rule (MOVER): Newcombe, "Interval estimation for the
difference between independent proportions", Statistics in Medicine 17, 1998, method 10, with Jeffreys in place of Wilson bounds.
Its exact coverage, averaged over all pairs of true values, is the nominal one from n = 4 on; at single pairs it swings, as for any
interval of discrete counts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

_MAX_TERMS = 500
# of the continued fraction; it needs O(sqrt(a + b)), so this is enough for counts far beyond 10,000
_TINY = 1e-300
_EPSILON = 1e-14


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    mean: float
    lower: float
    upper: float


@lru_cache(maxsize=65536)
def jeffreys_interval(successes: float, n: int, *, level: float) -> Interval:
    """Interval of a success probability after `successes` in `n` trials (fractional returns count in part).

    With n = 0 nothing is known: mean 0.5, bounds 0 and 1. ValueError unless 0 <= successes <= n and 0 < level < 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in [0, n], got {successes} of {n}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    if n == 0:
        return Interval(mean=0.5, lower=0.0, upper=1.0)
    a, b, tail = successes + 0.5, n - successes + 0.5, (1 - level) / 2
    lower = 0.0 if successes == 0 else beta_quantile(tail, a, b)
    upper = 1.0 if successes == n else beta_quantile(1 - tail, a, b)
    mean = successes / n
    return Interval(mean=mean, lower=min(lower, mean), upper=max(upper, mean))


def difference_interval(first: Interval, second: Interval) -> Interval:
    """Interval of first − second for two independent estimates of one level."""
    mean = first.mean - second.mean
    lower = mean - math.hypot(first.mean - first.lower, second.upper - second.mean)
    upper = mean + math.hypot(first.upper - first.mean, second.mean - second.lower)
    return Interval(mean=mean, lower=max(lower, -1.0), upper=min(upper, 1.0))


def beta_cdf(x: float, a: float, b: float) -> float:
    """Regularised incomplete beta function I_x(a, b), a, b > 0 (NIST DLMF 8.17.22, modified Lentz evaluation)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(1 - x, b, a)
    log_front = a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(log_front) / a * _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, 1.0 / _off_zero(1.0 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            d = 1.0 / _off_zero(1.0 + term * d)
            c = _off_zero(1.0 + term / c)
            value *= c * d
        if abs(c * d - 1.0) < _EPSILON:
            break
    return value


def _off_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def beta_quantile(probability: float, a: float, b: float) -> float:
    """x with I_x(a, b) = probability, by bisection to 1e-12."""
    low, high = 0.0, 1.0
    while high - low > 1e-12:
        middle = (low + high) / 2
        if beta_cdf(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2
