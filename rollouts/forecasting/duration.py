"""How long a run takes: its calls' seconds over what may be under way at once, and never less than its longest chain.

Whatever is played first, a list of jobs on c machines takes at least max(work / c, longest chain) and at most their sum
(Graham, Bounds on Multiprocessing Timing Anomalies, 1969); halfway between them is expected.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rollouts.forecasting.estimate import Z90, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """What shares one limit: the run itself, or one endpoint."""

    name: str
    # of what limits it, in the words of the configuration
    seconds: float
    # until everything has passed it


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    seconds: Estimate
    bound_by: str
    # what takes longest


def duration(lanes: Sequence[Lane], *, chain_s: float, start_s: float, doubt: float) -> Duration:
    """`chain_s`: of the longest tree, one call after the other. At least one lane."""
    slowest = max(lanes, key=lambda lane: lane.seconds)
    least, most = max(slowest.seconds, chain_s), slowest.seconds + chain_s
    factor = math.exp(Z90 * doubt)
    return Duration(
        seconds=Estimate(
            low=start_s + least / factor, expected=start_s + (least + most) / 2, high=start_s + most * factor
        ),
        bound_by=slowest.name if slowest.seconds >= chain_s else "one tree's calls, one after the other",
    )
