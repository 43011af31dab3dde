"""How often a scripted actor errs, and how hard it finds a task.

A task's profile is a function of (rates, difficulty, plan, seed): some tasks are always solved, some never (the same
critical mistake every time), the rest are given rates that put the chance of success at a target drawn for the task.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from actors.scripted_plan import Plan
from actors.scripted_slips import unwarranted_write
from rollouts.seeds import SEED_BITS, derive_seed

MOST = 0.9
# a scaled rate, and the sum of those that compete at one place, stay below it: the right action never dies out
_STAYS_WRONG = 0.3
# of the slips in a call, about so many are accepted by τ²'s tools; the rest is refused and then done right
_STAYS_UNSAID = 0.65
# of the closings that lack something, so many end the conversation (the scripted user asks after the others)


class ErrorKind(StrEnum):
    WRONG_ARGUMENT = "wrong_argument"
    SKIPPED_WRITE = "skipped_write"
    UNCONFIRMED_WRITE = "unconfirmed_write"
    WRONG_TOOL = "wrong_tool"
    PREMATURE_TRANSFER = "premature_transfer"
    PREMATURE_GOODBYE = "premature_goodbye"
    MISSING_INFORMATION = "missing_information"
    USELESS_READ = "useless_read"
    SKIPPED_READ = "skipped_read"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRates:
    """Chance of each mistake at each place where it can be made, before the task's difficulty. ValueError outside [0, 1]."""

    wrong_argument: float = 0.06
    # at a proposal in words (the user objects) and again at the call
    skipped_write: float = 0.06
    unconfirmed_write: float = 0.05
    # the write comes without the question before it; most of these calls have a wrong argument
    wrong_tool: float = 0.04
    # where the task wants no write at all: a write that was not called for
    premature_transfer: float = 0.02
    premature_goodbye: float = 0.03
    missing_information: float = 0.10
    useless_read: float = 0.04
    # a read with a wrong argument: costs a turn
    skipped_read: float = 0.02
    # doubles the chance of every mistake from there on
    ignored_feedback: float = 0.2
    # a critic's objection changes nothing
    misled_by_feedback: float = 0.3
    # an unfounded objection turns a right draft into a mistake

    def __post_init__(self) -> None:
        for field in fields(self):
            rate: float = getattr(self, field.name)
            if not 0 <= rate <= 1:
                raise ValueError(f"{field.name} must be a probability in [0, 1], got {rate}")

    def scaled(self, factor: float) -> ErrorRates:
        """Every mistake's rate times `factor`, kept below MOST where several compete; feedback is heeded as before."""
        scaled = {kind: getattr(self, kind) * factor for kind in ErrorKind}
        for rivals in _RIVALS:
            total = sum(scaled[kind] for kind in rivals)
            if total > MOST:
                scaled |= {kind: scaled[kind] * MOST / total for kind in rivals}
        return ErrorRates(**scaled, ignored_feedback=self.ignored_feedback, misled_by_feedback=self.misled_by_feedback)


PERFECT = ErrorRates(**{field.name: 0.0 for field in fields(ErrorRates)})

_RIVALS: Sequence[Sequence[ErrorKind]] = (
    (
        ErrorKind.WRONG_ARGUMENT,
        ErrorKind.WRONG_TOOL,
        ErrorKind.SKIPPED_WRITE,
        ErrorKind.UNCONFIRMED_WRITE,
        ErrorKind.PREMATURE_TRANSFER,
        ErrorKind.PREMATURE_GOODBYE,
    ),
    (ErrorKind.USELESS_READ, ErrorKind.SKIPPED_READ),
    (ErrorKind.MISSING_INFORMATION,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difficulty:
    """How tasks differ. The first three are shares of the tasks; what they leave gets a target of its own."""

    always_solved: float = 0.2
    never_solved: float = 0.15
    as_given: float = 0.0
    # tasks whose rates are the given ones, whatever success that means
    hardest: float = 0.15
    easiest: float = 0.9
    # the targets' range: chance of success of one play

    def __post_init__(self) -> None:
        shares = (self.always_solved, self.never_solved, self.as_given)
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise ValueError(f"always_solved, never_solved and as_given are shares of at most 1 together, got {shares}")
        if not 0 < self.hardest <= self.easiest <= 1:
            raise ValueError(f"needed 0 < hardest <= easiest <= 1, got {self.hardest} and {self.easiest}")


FLAT = Difficulty(always_solved=0.0, never_solved=0.0, as_given=1.0)
# difficulty switched off: every task is played with the rates as given


@dataclass(frozen=True, slots=True, kw_only=True)
class BlindSpot:
    """A mistake that is made every time its place is reached."""

    cursor: int
    # index of the gold item, or their number for the closing
    kind: ErrorKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    rates: ErrorRates
    blind_spots: tuple[BlindSpot, ...] = ()


def grade(plan: Plan, *, rates: ErrorRates, difficulty: Difficulty, seed: int) -> Profile:
    """The task's profile. A task that nobody can fail (nothing to write or to tell, nothing to break) has no blind spot."""
    share = chance(seed, plan.task_id, "share")
    if share < difficulty.always_solved:
        return Profile(rates=PERFECT)
    share -= difficulty.always_solved
    if share < difficulty.never_solved:
        return Profile(rates=rates, blind_spots=_blind_spot(plan, seed))
    if share - difficulty.never_solved < difficulty.as_given:
        return Profile(rates=rates)
    drawn = chance(seed, plan.task_id, "target")
    target = difficulty.hardest + drawn * (difficulty.easiest - difficulty.hardest)
    return Profile(rates=rates.scaled(_factor(plan, rates, target)))


def chance(seed: int, *place: str | int) -> float:
    """A number in [0, 1) for one place, uniform over places and seeds."""
    return float(derive_seed(seed, "scripted", *place) / 2**SEED_BITS)


def _blind_spot(plan: Plan, seed: int) -> tuple[BlindSpot, ...]:
    possible: list[BlindSpot] = []
    if plan.writes:
        some = plan.writes[int(chance(seed, plan.task_id, "write") * len(plan.writes))]
        first = plan.writes[0]
        possible += [BlindSpot(cursor=some, kind=kind) for kind in (ErrorKind.WRONG_ARGUMENT, ErrorKind.SKIPPED_WRITE)]
        possible.append(BlindSpot(cursor=first, kind=ErrorKind.PREMATURE_GOODBYE))
        possible += [BlindSpot(cursor=first, kind=ErrorKind.PREMATURE_TRANSFER)] if plan.transfer else []
    if plan.info:
        possible.append(BlindSpot(cursor=len(plan.items), kind=ErrorKind.MISSING_INFORMATION))
    if not possible and unwarranted_write(plan):
        possible.append(BlindSpot(cursor=len(plan.items), kind=ErrorKind.WRONG_TOOL))
    return (possible[int(chance(seed, plan.task_id, "blind") * len(possible))],) if possible else ()


def _factor(plan: Plan, rates: ErrorRates, target: float) -> float:
    """The factor at which the nominal chance of success is `target`; bisection, for the caps make it no closed formula."""
    low, high = 0.0, 64.0
    for _ in range(24):
        middle = (low + high) / 2
        if _nominal_success(plan, rates.scaled(middle)) > target:
            low = middle
        else:
            high = middle
    return low


def _nominal_success(plan: Plan, rates: ErrorRates) -> float:
    """About the chance of success: exact for what cannot be mended, an average over τ² for what sometimes can."""
    lost = rates.skipped_write + rates.premature_transfer + rates.premature_goodbye
    slipped = rates.unconfirmed_write * _STAYS_WRONG
    called = (rates.wrong_argument / 2 + rates.wrong_tool) * _STAYS_WRONG
    told = 1 - rates.missing_information * _STAYS_UNSAID if plan.info else 1.0
    kept = 1 - rates.wrong_tool if not plan.writes and unwarranted_write(plan) else 1.0
    return math.pow((1 - lost - slipped) * (1 - called), len(plan.writes)) * told * kept
