"""An evaluation as TOML: an ordinary run's configuration, and the arms in which it is played.

Arms differ in who plays and how they are supervised, never in what is played: tasks, seeds, environment and judge are one
for all, so that trial by trial only the arm's own settings have changed. Each arm is an ordinary run whose id holds the
digest of its own configuration: an arm that is added, dropped or changed leaves alone what the others have played.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.config import RunConfig, as_override, config_digest, config_text, overridden, parse_config
from infra.config_errors import Problem, field_problem, shown, usage_error
from infra.config_rules import contradictions, given, known_fields, without
from infra.evaluation_sections import ArmSection, EvaluationSection, read_section
from rollouts.errors import UsageError
from rollouts.identity import digest

NAME_LENGTH = 28
# characters: with a digest of 8, two dashes and an arm's name, at most the 64 of a run's id
DIGEST_DIGITS = 8

ONE_FOR_ALL = ("run", "storage", "tasks", "judge")
DECIDED_HERE = ("branching", "labels", "run.id")
_SETTING = re.compile(r"[a-z_0-9]+(\.[a-z_0-9]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    name: str
    run_id: str
    config: RunConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    evaluation_id: str
    arms: tuple[Arm, ...]
    baseline: str
    # the name of an arm
    trials: int
    confidence: float
    resamples: int


# -- in ---------------------------------------------------------------------------------------------------------------


def load_evaluation(path: Path | str, *, overrides: Sequence[str] = (), name: str | None = None) -> Evaluation:
    """The evaluation in a TOML file, or in the preset of that bare name, with `key=value` overrides on what all arms share.

    `name` begins the ids of the evaluation and of its runs; None: the file's own. UsageError tells every problem of every arm.
    """
    text = config_text(path)
    try:
        read = tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"{path}: is not valid TOML: {error}") from None
    shared = overridden(read, overrides)
    section, problems = read_section(shared.pop("evaluation", {}))
    problems += [_decided_here(key) for key in DECIDED_HERE if given(shared, key) is not None]
    played = {"policy": "none", "trunks": section.trials}
    configs, wrong = arm_configs({**without(shared, list(DECIDED_HERE)), "branching": played}, section.arms)
    if problems or wrong:
        raise usage_error(f"{path} with --set" if overrides else str(path), [*problems, *wrong])
    return _evaluation(section, configs, _checked(name) if name is not None else _usable(Path(path).stem))


def _evaluation(section: EvaluationSection, configs: Mapping[str, RunConfig], name: str) -> Evaluation:
    arms = tuple(
        Arm(name=arm, run_id=f"{name}-{config_digest(config)}-{arm}", config=config) for arm, config in configs.items()
    )
    baseline = section.baseline or arms[0].name
    question = [*(arm.run_id for arm in arms), baseline, str(section.confidence), str(section.resamples)]
    return Evaluation(
        evaluation_id=f"{name}-{digest(*(part.encode() for part in question)).hex()[:DIGEST_DIGITS]}",
        arms=arms,
        baseline=baseline,
        trials=section.trials,
        confidence=section.confidence,
        resamples=section.resamples,
    )


def _decided_here(key: str) -> Problem:
    if key == "run.id":
        return Problem(key=key, text="has no effect: each arm is a run of its own; name the evaluation with --name")
    text = f"an evaluation plays evaluation.trials episodes of each task and forks none; remove [{key}]"
    return Problem(key=key, text=text)


def _checked(name: str) -> str:
    if not re.fullmatch(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{NAME_LENGTH - 1}}}", name):
        raise UsageError(
            f"--name needs 1 to {NAME_LENGTH} letters, digits, dots, dashes or underscores, the first a letter or digit; "
            f"got {shown(name)}"
        )
    return name


def _usable(stem: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:NAME_LENGTH] or "evaluation"


# -- the arms ---------------------------------------------------------------------------------------------------------


def arm_configs(shared: Mapping[str, Any], arms: Sequence[ArmSection]) -> tuple[dict[str, RunConfig], list[Problem]]:
    """Arm → its configuration, and what is wrong. Without an arm, what is wrong with the shared settings as such."""
    if not arms:
        return {}, _fields_problems(shared)
    configs: dict[str, RunConfig] = {}
    wrong: dict[str, list[Problem]] = {}
    for arm in arms:
        leaves = dict(_leaves(arm.chosen))
        settings = overridden(
            shared, [_override(key, value) for key, value in leaves.items() if not _refusal(key, value)]
        )
        refused = [Problem(key=key, text=text) for key, value in leaves.items() if (text := _refusal(key, value))]
        if problems := [*refused, *_fields_problems(settings), *contradictions(settings)]:
            wrong[arm.name] = problems
        else:
            configs[arm.name] = parse_config(settings, source=f"arm {arm.name}")
    return configs, _told_once(wrong, num_arms=len(arms))


def _fields_problems(settings: Mapping[str, Any]) -> list[Problem]:
    """Of single settings. Those between settings are `contradictions`."""
    known = list(known_fields())
    try:
        RunConfig.model_validate(settings)
    except ValidationError as error:
        return [field_problem(detail, known) for detail in error.errors(include_url=False) if detail["loc"]]
    return []


def _told_once(wrong: Mapping[str, list[Problem]], *, num_arms: int) -> list[Problem]:
    """What all arms have in common comes from the shared settings and names no arm."""
    first = next(iter(wrong.values()), [])
    shared = [problem for problem in first if len(wrong) == num_arms and all(problem in own for own in wrong.values())]
    own = [
        Problem(key=f"arm {name}: {problem.key}", text=problem.text)
        for name, problems in wrong.items()
        for problem in problems
        if problem not in shared
    ]
    return [*shared, *own]


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """`{"critic.kind" = …}` and `{critic = {kind = …}}` say the same."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _refusal(key: str, value: object) -> str:
    """Why an arm cannot have this setting; empty where it can."""
    section = key.partition(".")[0]
    if not _SETTING.fullmatch(key):
        return "needs the dotted name of a setting, such as critic.kind"
    if section in ONE_FOR_ALL:
        return (
            "is one for all arms: they play the same tasks from the same seeds before the same judge; "
            "set it outside the arms"
        )
    if section in DECIDED_HERE:
        return _decided_here(section).text
    if not isinstance(value, str | int | float | list):
        return "needs text, a number, true, false or a list"
    return ""


def _override(key: str, value: object) -> str:
    """As after --set. Numbers, true, false and lists of them or of text are written alike in JSON and TOML."""
    if isinstance(value, str):
        return as_override(key, value)
    return f"{key}={json.dumps(value, ensure_ascii=False, default=str)}"
