"""How far a play has come, and the pure moves from one place to the next. The exact values are computed over these few facts.

Nothing here is drawn. What chance decides (which effects turned, whether a repair worked, how much the user forgives) comes in
as an argument, because only the simulated user has a seed: so every rollout below a fork meets fresh chance.

    stage i ─ acted (read, write) ──────────────────────────────▶ stage i+1
    stage i ─ answered (message): effects are decided, errors show ─▶ stage i+1
    errors show ─ repair_begun ─▶ repair_checked: fewer show, or not
    after the last stage ─ concluded ─▶ solved | failed        anywhere ─ transferred
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from actors.environments.known_values.plan import Plan, StageKind

End: TypeAlias = Literal["solved", "failed", "transferred"]


class Refusal(Exception):
    """A move that the world does not allow here; the message is for whoever tried it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    stage: int = 0
    # the one to be passed next
    pending: tuple[tuple[int, bool], ...] = ()
    # (stage, whether it was wrong) of the writes whose effects are not decided yet
    hidden: tuple[int, ...] = ()
    # for each error that will show, the stage at which it does; ascending
    shown: int = 0
    # errors that show
    tries: int = 0
    # attempts at a repair that are left for them
    repairing: bool = False
    # an attempt was made, the user has not seen yet whether it worked
    lost: int = 0
    # errors that can be repaired no more
    end: End | None = None


def acted(plan: Plan, course: Course, kind: StageKind, *, stage: int, option: int) -> Course:
    """After a call of the actor: going on leaves errors that show behind for good."""
    _require(plan, course, kind, stage=stage, option=option)
    pending = course.pending
    if kind == "write":
        pending = (*pending, (stage, not plan.stages[stage].fine[option]))
    lost = min(course.lost + course.shown, plan.rules.most)
    return Course(stage=stage + 1, pending=pending, hidden=course.hidden, lost=lost)


def answered(plan: Plan, course: Course, *, stage: int, option: int, turned: Collection[int]) -> Course:
    """After a statement of the actor and the user's answer, which decides the effects since its last one."""
    _require(plan, course, "message", stage=stage, option=option)
    effects = (*course.pending, (stage, not plan.stages[stage].fine[option]))
    shows = [plan.shows[made] for made in _errors(effects, turned)]
    due = sorted([*course.hidden, *(at for at in shows if at is not None)])
    shown = sum(at <= stage for at in due)
    return Course(
        stage=stage + 1,
        hidden=tuple(due[shown:]),
        shown=shown,
        tries=plan.rules.recovery_steps if shown else 0,
        lost=min(course.lost + course.shown + shows.count(None), plan.rules.most),
    )


def repair_begun(course: Course) -> Course:
    _live(course)
    if not course.shown or not course.tries:
        raise Refusal("there is nothing here that a repair could reach")
    return replace(course, tries=course.tries - 1, repairing=True)


def repair_checked(course: Course, *, worked: bool) -> Course:
    if not course.repairing:
        raise Refusal("no repair is under way")
    shown = course.shown - worked
    return replace(course, shown=shown, tries=course.tries if shown else 0, repairing=False)


def concluded(plan: Plan, course: Course, *, turned: Collection[int], tolerance: int) -> Course:
    """The end: solved if the user forgives as many errors as are left. A tolerance of `rules.most` forgives any number."""
    _live(course)
    if course.stage < plan.depth:
        raise Refusal(f"stage {course.stage} is not passed yet")
    errors = course.lost + course.shown + len(course.hidden) + len(_errors(course.pending, turned))
    solved = min(errors, plan.rules.most) <= tolerance
    return Course(stage=course.stage, end="solved" if solved else "failed")


def transferred(course: Course) -> Course:
    if course.end:
        raise Refusal("this is over")
    return Course(stage=course.stage, end="transferred")


def _errors(effects: Collection[tuple[int, bool]], turned: Collection[int]) -> list[int]:
    return [made for made, wrong in effects if wrong != (made in turned)]


def _require(plan: Plan, course: Course, kind: StageKind, *, stage: int, option: int) -> None:
    _live(course)
    if stage != course.stage or stage >= plan.depth:
        raise Refusal(f"stage {stage} is not the next one")
    if plan.stages[stage].kind != kind:
        raise Refusal(f"stage {stage} is passed by a {plan.stages[stage].kind}, not by a {kind}")
    if not 0 <= option < len(plan.stages[stage].fine):
        raise Refusal(f"stage {stage} has no such option")


def _live(course: Course) -> None:
    if course.end:
        raise Refusal("this is over")
    if course.repairing:
        raise Refusal("a repair is under way; the user has to say first whether it worked")
