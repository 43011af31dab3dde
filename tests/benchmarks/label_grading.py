"""What a grown tree claims, beside the truth: cells and their summary figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollouts.confidence_sequence import confidence_sequence
from rollouts.estimates import Interval, jeffreys_interval
from rollouts.fork_views import StepView
from rollouts.policies.contrast import contrast, observed
from rollouts.posterior import posterior

RARE = 0.05
# actions that the actor takes less often do not make a step contested
LEVEL = 0.9
SURE = 0.95
# posterior probability from which on a label counts as decided


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueAction:
    chance: float
    value: float
    # Q


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One step of a failing trunk."""

    place: str
    claimed: bool
    loses: bool
    sure: bool
    errors: tuple[float, ...]
    # of Q, where the step is contested
    held_once: tuple[bool, ...]
    # by action with rollouts: whether the Jeffreys interval holds Q
    held_always: tuple[bool, ...]
    # whether the confidence sequence does


def graded_cell(
    place: str, step: StepView, keys: tuple[bytes, ...], truth: Mapping[bytes, TrueAction], own: bytes, delta: float
) -> Cell:
    """`keys`: of the fork's actions; `truth`: of every action that the actor may take there."""
    value = sum(action.chance * action.value for action in truth.values())
    seen = {key: observed(view) for key, view in zip(keys, step.actions, strict=True)}
    claimed = sure = False
    if step.actions:
        found = contrast(step)
        claimed, probability = found.loses(delta), found.probability(delta)
        sure = not 1 - SURE < probability < SURE
    common = [action.value for key, action in truth.items() if action.chance >= RARE or key == own]
    compared: list[bytes] = []
    if max(common) - min(common) >= delta:
        other = max((key for key in truth if key != own), key=lambda key: truth[key].chance)
        compared = [own, other]
    return Cell(
        place=place,
        claimed=claimed,
        loses=value - truth[own].value >= delta,
        sure=sure,
        errors=tuple(abs(posterior(*seen.get(key, (0.0, 0))).mean - truth[key].value) for key in compared),
        held_once=tuple(
            _holds(jeffreys_interval(*seen[key], level=LEVEL), truth[key].value) for key in seen if seen[key][1]
        ),
        held_always=tuple(
            _holds(confidence_sequence(*seen[key], level=LEVEL), truth[key].value) for key in seen if seen[key][1]
        ),
    )


def _holds(interval: Interval, value: float) -> bool:
    return interval.lower - 1e-9 <= value <= interval.upper + 1e-9


@dataclass(slots=True)
class Grades:
    delta: float
    trees: int = 0
    calls: int = 0
    cells: list[Cell] = field(default_factory=list)

    def add(self, other: Grades) -> None:
        self.trees += other.trees
        self.calls += other.calls
        self.cells += other.cells

    @property
    def calls_per_tree(self) -> float:
        return self.calls / max(self.trees, 1)

    @property
    def positives(self) -> int:
        return sum(cell.loses for cell in self.cells)

    @property
    def precision(self) -> float:
        return _share(sum(c.claimed and c.loses for c in self.cells), sum(c.claimed for c in self.cells))

    @property
    def recall(self) -> float:
        return _share(sum(c.claimed and c.loses for c in self.cells), self.positives)

    @property
    def f1(self) -> float:
        """1 where there is nothing to find and nothing is claimed."""
        return _share(
            2 * sum(c.claimed and c.loses for c in self.cells), self.positives + sum(c.claimed for c in self.cells)
        )

    @property
    def mae(self) -> float:
        errors = [error for cell in self.cells for error in cell.errors]
        return sum(errors) / max(len(errors), 1)

    def flips(self, other: Grades) -> int:
        """Labels that are others there."""
        later = {cell.place: cell.claimed for cell in other.cells}
        return sum(later[cell.place] != cell.claimed for cell in self.cells if cell.place in later)

    def columns(self) -> list[str]:
        sure = [cell for cell in self.cells if cell.sure]
        once = [held for cell in self.cells for held in cell.held_once]
        always = [held for cell in self.cells for held in cell.held_always]
        return [
            f"{self.f1:.3f}",
            f"{self.precision:.3f}",
            f"{self.recall:.3f}",
            f"{self.mae:.3f}",
            f"{self.calls_per_tree:.0f}",
            f"{_share(sum(c.claimed == c.loses for c in sure), len(sure)):.1%} of {len(sure) / max(len(self.cells), 1):.0%}",
            f"{_share(sum(once), len(once)):.1%}",
            f"{_share(sum(always), len(always)):.1%}",
        ]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
