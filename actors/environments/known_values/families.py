"""Families of tasks with known values: where errors happen in them, what they cost, and whether they can be made good.

The five of them are those a fork policy has to tell apart. A family of your own is one more `Parameters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actors.environments.known_values.plan import LETTERS, STAGE_KINDS, Plan, Rules, Stage, StageKind, lay_out
from actors.scripted_errors import chance
from rollouts.seeds import derive_seed


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """ValueError for what makes no world."""

    rules: Rules
    depth: int = 12
    # stages to pass; the goodbye comes after them
    branching: int = 4
    # options at every stage
    harmless: int = 1
    # of the options other than the right one, so many do no harm
    kinds: tuple[StageKind, ...] = ("read", "write", "write", "message")
    # of the stages, over and over, from a place drawn for each task. Reading does neither good nor harm
    skill: float = 0.99
    # chance that the actor takes the right option
    num_hard: int = 0
    # stages of the task, none of them a read, where it is less
    hard_skill: tuple[float, float] = (0.3, 0.6)
    # the range from which a task's own chance at its hard stages is drawn
    hard_part: tuple[float, float] = (0.0, 1.0)
    # which part of the way the hard stages lie in

    def __post_init__(self) -> None:
        if self.depth < 1 or not 2 <= self.branching <= len(LETTERS):
            raise ValueError(f"needed depth >= 1 and 2 <= branching <= {len(LETTERS)}, got {self}")
        if not 0 <= self.harmless <= self.branching - 2:
            raise ValueError(f"harmless must leave one option that is wrong, got {self.harmless} of {self.branching}")
        if "message" not in self.kinds or not set(self.kinds) <= set(STAGE_KINDS):
            raise ValueError(f"kinds must be of {STAGE_KINDS} with a message among them, got {self.kinds}")
        low, high = self.hard_skill
        if not 0 < low <= high <= 1 or not 0 < self.skill <= 1:
            raise ValueError(
                f"a skill is a chance above 0, a range of them ascends; got {self.skill}, {self.hard_skill}"
            )
        if self.num_hard < 0 or not 0 <= self.hard_part[0] < self.hard_part[1] <= 1:
            raise ValueError(
                f"needed num_hard >= 0 and an ascending part of [0, 1], got {self.num_hard}, {self.hard_part}"
            )


FAMILIES: Mapping[str, Parameters] = {
    "late_error": Parameters(
        rules=Rules(solved=(0.95, 0.05), noise=0.02, delay=1, gives_up=0.1), num_hard=1, hard_part=(0.7, 1.0)
    ),
    "early_error": Parameters(
        rules=Rules(solved=(0.95, 0.05), noise=0.02, delay=6, gives_up=0.1), num_hard=1, hard_part=(0.0, 0.3)
    ),
    # the error shows long after it was made, where an estimator that looks for symptoms will find it
    "several_errors": Parameters(
        rules=Rules(solved=(0.95, 0.5, 0.2, 0.05), noise=0.03, delay=2, gives_up=0.05),
        num_hard=3,
        hard_skill=(0.5, 0.8),
    ),
    "recoverable_error": Parameters(
        rules=Rules(solved=(0.95, 0.1), noise=0.03, delay=1, recovery_steps=2, recovery=0.6, diligence=0.7),
        num_hard=2,
        hard_skill=(0.2, 0.6),
    ),
    "no_error": Parameters(rules=Rules(solved=(0.6, 0.3), noise=0.01), skill=0.995),
    # what fails, fails at the end by bad luck: no action is to blame
}


def make_plan(family: str, index: int, parameters: Parameters) -> Plan:
    """The plan of one task: a function of the family's name and parameters and the task's number."""
    seed = derive_seed(index, "known_values", family)
    num_kinds = len(parameters.kinds)
    start = int(chance(seed, "start") * num_kinds)
    kinds = [parameters.kinds[(start + stage) % num_kinds] for stage in range(parameters.depth)]
    hard = _hard_stages(parameters, kinds, seed)
    low, high = parameters.hard_skill
    hard_skill = low + chance(seed, "skill") * (high - low)
    stages = [
        _stage(kind, parameters, skill=hard_skill if index in hard else parameters.skill, seed=derive_seed(seed, index))
        for index, kind in enumerate(kinds)
    ]
    return lay_out(stages, parameters.rules)


def _hard_stages(parameters: Parameters, kinds: list[StageKind], seed: int) -> list[int]:
    """Drawn from the stages in the hard part; from the nearest ones where it holds too few."""
    middle, reach = sum(parameters.hard_part) / 2, (parameters.hard_part[1] - parameters.hard_part[0]) / 2

    def rank(stage: int) -> tuple[float, float]:
        outside = abs((stage + 0.5) / parameters.depth - middle) - reach
        return max(outside, 0.0), chance(seed, "hard", stage)

    risky = [stage for stage, kind in enumerate(kinds) if kind != "read"]
    return sorted(risky, key=rank)[: parameters.num_hard]


def _stage(kind: StageKind, parameters: Parameters, *, skill: float, seed: int) -> Stage:
    """The options in the order of a lot; after the right one, each other is half as likely as the one before."""
    right, *others = sorted(range(parameters.branching), key=lambda option: chance(seed, "option", option))
    shares = [0.5**place for place in range(len(others))]
    chances = [skill] * parameters.branching
    for option, share in zip(others, shares, strict=True):
        chances[option] = (1 - skill) * share / sum(shares)
    by_chance = sorted(others, key=lambda option: chance(seed, "harmless", option))
    fine = {right, *by_chance[: parameters.harmless]}
    return Stage(
        kind=kind,
        chances=tuple(chances),
        fine=tuple(kind == "read" or option in fine for option in range(parameters.branching)),
    )
