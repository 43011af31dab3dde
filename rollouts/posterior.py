"""What counts say of values under Jeffreys' prior Beta(1/2, 1/2): posteriors, comparisons, and who to sample next.

A posterior may be looked at after every rollout: the likelihood does not know when sampling stopped. What it says is right on
average over the prior; a promise for every single true value at every time is `rollouts.confidence_sequence`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rollouts.estimates import beta_cdf

PRIOR = 0.5
# Jeffreys' prior, for each of the two counts
_CELLS = 64
# a comparison integrates over so many; four times as many change no probability by more than 0.004
_NODES = tuple(math.sin(math.pi * node / (2 * _CELLS)) ** 2 for node in range(_CELLS + 1))
# dense at 0 and 1, where Jeffreys' density is infinite


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """A posterior of a value: Beta(a, b)."""

    a: float
    b: float

    @property
    def weight(self) -> float:
        """Observations it is worth, the prior's one included."""
        return self.a + self.b

    @property
    def mean(self) -> float:
        return self.a / self.weight

    @property
    def variance(self) -> float:
        return self.a * self.b / (self.weight**2 * (self.weight + 1))


@lru_cache(maxsize=65536)
def posterior(successes: float, n: int) -> Beta:
    """After `successes` (a sum of returns) in `n` rollouts. ValueError unless 0 <= successes <= n."""
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in [0, n], got {successes} of {n}")
    return Beta(a=successes + PRIOR, b=n - successes + PRIOR)


@lru_cache(maxsize=65536)
def probability_greater(first: Beta, second: Beta, *, margin: float = 0.0) -> float:
    """P(first > second + margin) for two independent posteriors.

    P(V(s) > Q(s, a) + delta), that the action loses delta or more, is `probability_greater(v, q, margin=delta)`; it is right to
    about 0.004. ValueError unless −1 <= margin <= 1.
    """
    if not -1 <= margin <= 1:
        raise ValueError(f"margin must lie in [-1, 1], got {margin}")
    own = _distribution(first)
    below = [_interpolated(_distribution(second), node - margin) for node in _NODES]
    return sum((own[k + 1] - own[k]) * (below[k + 1] + below[k]) / 2 for k in range(_CELLS))


@lru_cache(maxsize=4096)
def _distribution(beta: Beta) -> tuple[float, ...]:
    return tuple(beta_cdf(node, beta.a, beta.b) for node in _NODES)


def _interpolated(distribution: Sequence[float], x: float) -> float:
    if x <= 0 or x >= 1:
        return float(x >= 1)
    place = math.asin(math.sqrt(x)) * 2 * _CELLS / math.pi
    cell = min(int(place), _CELLS - 1)
    return distribution[cell] + (place - cell) * (distribution[cell + 1] - distribution[cell])


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """One of several means whose weighted sum is estimated."""

    weight: float
    # of its mean in the sum; the sign makes no difference
    sd: float
    # of one observation
    cost: float = 1.0
    # of one observation, in LLM calls


def neyman_allocation(budget: float, strata: Sequence[Stratum]) -> tuple[int, ...]:
    """Observations of each stratum that make the variance of the weighted sum least at a cost of at most `budget`.

    Proportional to |weight| sd / √cost (Neyman 1934; Cochran, "Sampling Techniques", 3rd ed., section 5.5), rounded down, the rest
    given where it takes away the most variance per call. ValueError for a negative budget or sd, or a cost that is not above 0.
    """
    if budget < 0 or any(stratum.sd < 0 or stratum.cost <= 0 for stratum in strata):
        raise ValueError(f"needed budget >= 0, every sd >= 0 and every cost > 0; got {budget} for {strata}")
    shares = [abs(stratum.weight) * stratum.sd / math.sqrt(stratum.cost) for stratum in strata]
    unit = sum(share * stratum.cost for share, stratum in zip(shares, strata, strict=True))
    if not unit:
        return (0,) * len(strata)
    counts = [int(budget * share / unit) for share in shares]
    left = budget - sum(count * stratum.cost for count, stratum in zip(counts, strata, strict=True))
    while affordable := [k for k, stratum in enumerate(strata) if stratum.cost <= left and shares[k]]:
        best = max(affordable, key=lambda k: (shares[k] ** 2 / (counts[k] * (counts[k] + 1) or 0.5), -k))
        counts[best] += 1
        left -= strata[best].cost
    return tuple(counts)
