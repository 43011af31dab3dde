"""Intervals that hold at every time at once, so that sampling may stop whenever they say something.

The sequence inverts Robbins' mixture. With the prior Beta(a, b) on the mean, the mixture's likelihood over that of a mean p,

    M_n(p) = B(a + s, b + n − s) / (B(a, b) p^s (1 − p)^(n − s)),

is a supermartingale from 1 if p is the mean, so by Ville's inequality P(some n has M_n(p) >= 1/alpha) <= alpha; the interval after
n is {p: M_n(p) < 1/alpha}. Robbins, "Statistical Methods Related to the Law of the Iterated Logarithm", Annals of Mathematical
Statistics 41, 1970; Howard, Ramdas, McAuliffe, Sekhon, arXiv 1810.08240. It holds for returns within [0, 1] too, since
(q/p)^x ((1−q)/(1−p))^(1−x) <= x q/p + (1−x)(1−q)/(1−p), whose mean is 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from rollouts.estimates import Interval

_A = _B = 0.5
# Jeffreys' prior: narrow at values near 0 and 1, where most action values lie
_PRECISION = 1e-10


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
    mean, failures = successes / n, n - successes
    least = _log_beta(_A + successes, _B + failures) - _log_beta(_A, _B) + math.log(1 - level)

    def excluded(p: float) -> bool:
        return least >= _times_log(successes, p) + _times_log(failures, 1 - p)

    return Interval(
        mean=mean,
        lower=_edge(excluded, outside=0.0, inside=mean),
        upper=_edge(excluded, outside=1.0, inside=mean),
    )


def _edge(excluded: Callable[[float], bool], *, outside: float, inside: float) -> float:
    """Where exclusion ends between the two, on the excluded side; `outside` itself when it is not excluded."""
    if not excluded(outside):
        return outside
    while abs(outside - inside) > _PRECISION:
        middle = (outside + inside) / 2
        if excluded(middle):
            outside = middle
        else:
            inside = middle
    return outside


def _times_log(times: float, p: float) -> float:
    if times == 0:
        return 0.0
    return times * math.log(p) if p > 0 else -math.inf


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
