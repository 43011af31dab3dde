"""The section [evaluation]: names, types, ranges, defaults, and what each setting means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from infra.config_errors import Problem, field_problem, shown
from infra.config_sections import Section
from infra.config_types import Level

ARM_LENGTH = 24
# characters: with the evaluation's name, a digest and two dashes it must fit a run's id (`infra.evaluation_config`)
_NO_ARMS = (
    "needs at least one arm: [[evaluation.arms]] with a name, and in set what differs from the other sections; "
    "a configuration without arms is played by `treeroll run`"
)


def _usable_name(value: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9._-]{{1,{ARM_LENGTH}}}", value):
        raise ValueError(f"each arm needs a name of 1 to {ARM_LENGTH} letters, digits, dots, dashes or underscores")
    return value


class ArmSection(Section):
    """One way to play."""

    name: Annotated[str, AfterValidator(_usable_name)] = Field(
        default="", validate_default=True, description="of the arm, in tables and in its run's id"
    )
    chosen: dict[str, Any] = Field(
        default_factory=dict, alias="set", description="settings that this arm plays with, by dotted name"
    )


class EvaluationSection(Section):
    """What is compared, and how surely."""

    trials: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=4, description="episodes per task and arm, on the same seeds in every arm"
    )
    confidence: Level = Field(default=0.95, description="nominal coverage of every interval")
    resamples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        default=2000, description="of the tasks, for intervals of means over tasks"
    )
    baseline: str = Field(default="", description="the arm that the others are compared with; empty: the first")
    arms: Annotated[tuple[ArmSection, ...], Field(strict=False)] = Field(default=(), description="what is compared")


class _Whole(Section):
    evaluation: EvaluationSection = EvaluationSection()


_KNOWN = (
    *(f"evaluation.{name}" for name in EvaluationSection.model_fields),
    *("evaluation.arms.name", "evaluation.arms.set"),
)


def read_section(found: object) -> tuple[EvaluationSection, list[Problem]]:
    """The section, and what is wrong with it; then it is at its defaults, with those arms that can be read."""
    try:
        section = _Whole.model_validate({"evaluation": found}).evaluation
    except ValidationError as error:
        return _readable(found), [field_problem(detail, _KNOWN) for detail in error.errors(include_url=False)]
    return section, list(_contradictions(section))


def _readable(found: object) -> EvaluationSection:
    """So that the arms' own problems are told with the section's."""
    arms = found.get("arms") if isinstance(found, Mapping) else None
    readable = [arm for given in arms if (arm := _arm(given))] if isinstance(arms, list) else []
    return EvaluationSection(arms=tuple(readable))


def _arm(given: object) -> ArmSection | None:
    try:
        return ArmSection.model_validate(given)
    except ValidationError:
        return None


def _contradictions(section: EvaluationSection) -> Iterator[Problem]:
    names = [arm.name for arm in section.arms]
    if not names:
        yield Problem(key="evaluation.arms", text=_NO_ARMS)
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        yield Problem(key="evaluation.arms", text=f"each arm needs a name of its own; given twice: {shown(repeated)}")
    if names and section.baseline and section.baseline not in names:
        text = f"needs the name of an arm, one of {', '.join(names)}; got {shown(section.baseline)}"
        yield Problem(key="evaluation.baseline", text=text)
