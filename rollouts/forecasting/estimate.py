"""A number that is not known yet: what is expected, and a range that holds it in nine of ten forecasts.

Doubt is a standard deviation of the logarithm: errors of size are factors, and independent ones add up by their squares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Z90 = 1.645
# standard deviations on each side of a range that holds nine of ten


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    low: float
    expected: float
    high: float

    def clipped(self, *, least: float = 0.0, most: float = math.inf) -> Estimate:
        """Within what is certain."""
        low, expected, high = (min(max(value, least), most) for value in (self.low, self.expected, self.high))
        return Estimate(low=low, expected=expected, high=high)


def about(expected: float, *, doubt: float) -> Estimate:
    factor = math.exp(Z90 * doubt)
    return Estimate(low=expected / factor, expected=expected, high=expected * factor)


def exactly(value: float) -> Estimate:
    return Estimate(low=value, expected=value, high=value)


def combined(*doubts: float) -> float:
    return math.hypot(*doubts)
