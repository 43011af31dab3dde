"""Intervals that hold at every time at once, so that sampling may stop whenever they say something.

The sequence inverts Robbins' mixture. With the prior Beta(a, b) on the mean, the mixture's likelihood over that of a mean p,

    M_n(p) = B(a + s, b + n − s) / (B(a, b) p^s (1 − p)^(n − s)),

is a supermartingale from 1 if p is the mean, so by Ville's inequality P(some n has M_n(p) >= 1/alpha) <= alpha; the interval after
n is {p: M_n(p) < 1/alpha}. Robbins, "Statistical Methods Related to the Law of the Iterated Logarithm", Annals of Mathematical
Statistics 41, 1970; Howard, Ramdas, McAuliffe, Sekhon, arXiv 1810.08240. It holds for returns within [0, 1] too, since
(q/p)^x ((1−q)/(1−p))^(1−x) <= x q/p + (1−x)(1−q)/(1−p), whose mean is 1.

For two means the product of their supermartingales is one too, whichever of the two is sampled next for whatever reason: the pairs
whose product stays below 1/alpha hold both means at every time, and the interval of a difference is the range of p − q over them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

from rollouts.estimates import Interval

_A = _B = 0.5
# Jeffreys' prior: narrow at values near 0 and 1, where most action values lie
_PRECISION = 1e-10
_PRECISION_OF_DIFFERENCE = 1e-4
# always on the wider side; a comparison takes a quarter of a millisecond
_HALVINGS = 24
_TINY = 1e-15

Counts: TypeAlias = tuple[float, int]
# sum of returns, and their number


@lru_cache(maxsize=65536)
def confidence_sequence(successes: float, n: int, *, level: float) -> Interval:
    """The interval after n rollouts whose returns sum to `successes`.

    P(it holds the expected return for every n) >= level, whatever rule ends the sampling. ValueError unless 0 <= successes <= n and
    0 < level < 1.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must lie in [0, n], got {successes} of {n}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, got {level}")
    if n == 0:
        return Interval(mean=0.5, lower=0.0, upper=1.0)
    mean, least = successes / n, _evidence(successes, n) + math.log(1 - level)

    def excluded(p: float) -> bool:
        return least >= _likelihood(successes, n, p)

    return Interval(
        mean=mean,
        lower=_edge(excluded, outside=0.0, inside=mean),
        upper=_edge(excluded, outside=1.0, inside=mean),
    )


@lru_cache(maxsize=65536)
def difference_sequence(first: Counts, second: Counts, *, level: float) -> Interval:
    """The interval of the difference of two expected returns, each told by the sum of its returns and their number.

    P(it holds the difference at every time) >= level, whatever rule says which of the two is sampled next and when to stop.
    ValueError as for `confidence_sequence`.
    """
    if second < first:
        mirrored = difference_sequence(second, first, level=level)
        return Interval(mean=-mirrored.mean, lower=-mirrored.upper, upper=-mirrored.lower)
    means = [confidence_sequence(*counts, level=level).mean for counts in (first, second)]
    (s, n), (r, m) = first, second
    least = _evidence(s, n) + _evidence(r, m) + math.log(1 - level)

    def excluded(difference: float) -> bool:
        at = _likeliest(first, second, difference)
        return least >= _likelihood(s, n, at + difference) + _likelihood(r, m, at)

    mean = means[0] - means[1]
    return Interval(
        mean=mean,
        lower=_edge(excluded, outside=-1.0, inside=mean, precision=_PRECISION_OF_DIFFERENCE),
        upper=_edge(excluded, outside=1.0, inside=mean, precision=_PRECISION_OF_DIFFERENCE),
    )


def _likeliest(first: Counts, second: Counts, difference: float) -> float:
    """The second mean at which both counts together are likeliest, the first one being so much greater: the slope changes sign."""
    (s, n), (r, m) = first, second
    low, high = max(0.0, -difference), min(1.0, 1.0 - difference)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        p, q = _inside(middle + difference), _inside(middle)
        if s / p - (n - s) / (1 - p) + r / q - (m - r) / (1 - q) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _inside(p: float) -> float:
    return min(max(p, _TINY), 1 - _TINY)


def _edge(excluded: Callable[[float], bool], *, outside: float, inside: float, precision: float = _PRECISION) -> float:
    """Where exclusion ends between the two, on the excluded side; `outside` itself when it is not excluded."""
    if not excluded(outside):
        return outside
    while abs(outside - inside) > precision:
        middle = (outside + inside) / 2
        if excluded(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _evidence(successes: float, n: int) -> float:
    """Logarithm of the mixture's likelihood."""
    return _log_beta(_A + successes, _B + n - successes) - _log_beta(_A, _B)


def _likelihood(successes: float, n: int, p: float) -> float:
    """Logarithm of that of a mean p."""
    return _times_log(successes, p) + _times_log(n - successes, 1 - p)


def _times_log(times: float, p: float) -> float:
    if times == 0:
        return 0.0
    return times * math.log(p) if p > 0 else -math.inf


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
