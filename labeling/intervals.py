"""The intervals that claims rest on: chosen by how the plays of a tree were asked for.

Where their number was fixed beforehand, Jeffreys intervals cover as often as they say. Where sampling stopped on what it saw, they
do not (22.6 % instead of 80 % at worst), and the anytime-valid sequence takes their place: of one value, and of the difference of
two. Plays of one step are free evidence at later ones, so one action sampled sequentially makes the whole tree sequential. What is
stored for display is always the Jeffreys interval.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labeling.records import ActionValue
from rollouts.confidence_sequence import confidence_sequence, difference_sequence
from rollouts.estimates import Interval, difference_interval, jeffreys_interval

FIXED = frozenset({"fixed_count", "settled_by_next"})
# stop reasons of designs that play a number fixed beforehand. A budget is none: what it cut short may have been sequential


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Of one tree's values."""

    sequential: bool
    # sampling stopped on what it saw

    def of(self, successes: float, n: int, *, level: float) -> Interval:
        made = confidence_sequence if self.sequential else jeffreys_interval
        return made(successes, n, level=level)

    def gain(self, other: ActionValue, own: ActionValue, *, level: float) -> Interval:
        """What taking the other instead would win. Both must have plays."""
        if self.sequential:
            return difference_sequence((other.successes, other.n), (own.successes, own.n), level=level)
        first, second = (jeffreys_interval(value.successes, value.n, level=level) for value in (other, own))
        return difference_interval(first, second)


def intervals_for(values: Iterable[ActionValue]) -> Intervals:
    """`values`: all of a tree."""
    return Intervals(sequential=any(value.stop_reason not in FIXED for value in values))
