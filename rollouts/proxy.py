"""The critic as a proxy: its scores are cheap and biased, rollouts are dear and true; together they estimate a mean return.

Every unit (a draft of a state) has a prediction made of its score, and is played out with some chance, its propensity. With

    z = prediction + [played out] (return − prediction) / propensity,          E z = E return, whatever the predictions are:

a bad critic costs width, never truth; where everything is played out, and where all predictions are alike, the scores change
nothing. This is the augmented inverse-propensity-weighted estimator of Robins, Rotnitzky, Zhao, JASA 89, 1994, as a debiased proxy
in arXiv 2601.21471. How far the scores are believed is the slope of returns over scores, told by other units than those it is used
for, as in the power-tuned estimator of arXiv 2311.01453: a critic that says nothing is not listened to, one that says the opposite
is read the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Scored: TypeAlias = tuple[float, float]
# score and mean return of an action that was played

_SPREAD = 0.25
# of scores that say nothing, in squares about their mean: as much as one state with two actions whose scores are 0.7 apart


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyUnit:
    """ValueError for a return outside [0, 1], or a propensity outside (0, 1]."""

    prediction: float
    # any number: only its differences matter
    propensity: float
    # the chance that it was played out, which its return has no part in
    returned: float | None
    # None: it was not played out
    weight: float = 1.0
    # how many units it stands for

    def __post_init__(self) -> None:
        if not 0 < self.propensity <= 1:
            raise ValueError(f"a propensity must lie in (0, 1], got {self.propensity}")
        if not 0 <= (self.returned or 0.0) <= 1:
            raise ValueError(f"a return must lie in [0, 1], got {self.returned}")
        if self.propensity == 1 and self.returned is None:
            raise ValueError("a unit with propensity 1 is always played out, this one has no return")

    @property
    def debiased(self) -> float:
        """z: its mean is the mean return."""
        if self.returned is None:
            return self.prediction
        return self.prediction + (self.returned - self.prediction) / self.propensity


def debiased_mean(units: Sequence[ProxyUnit]) -> float:
    """Mean return of the units, in [0, 1]. ValueError without units."""
    if not units:
        raise ValueError("a mean needs units; without drafts there is nothing to estimate")
    total = sum(unit.weight * unit.debiased for unit in units)
    return min(max(total / sum(unit.weight for unit in units), 0.0), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What returns are per score, among actions of one state each; sums of several states are added."""

    squares: float = 0.0
    # of scores about their state's mean
    products: float = 0.0
    # of scores and returns about theirs

    def __add__(self, other: Trust) -> Trust:
        return Trust(squares=self.squares + other.squares, products=self.products + other.products)

    def __sub__(self, other: Trust) -> Trust:
        return Trust(squares=self.squares - other.squares, products=self.products - other.products)

    @property
    def slope(self) -> float:
        """Predicted difference of return per difference of score, in [−1, 1]; 0 where nothing is known."""
        return min(max(self.products / (self.squares + _SPREAD), -1.0), 1.0)


def trust(actions: Iterable[Scored]) -> Trust:
    """Of the actions of one state."""
    known = list(actions)
    if len(known) < 2:
        return Trust()
    score, value = (sum(column) / len(known) for column in zip(*known, strict=True))
    return Trust(
        squares=sum((s - score) ** 2 for s, _ in known),
        products=sum((s - score) * (v - value) for s, v in known),
    )
