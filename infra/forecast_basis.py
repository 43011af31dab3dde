"""What a forecast is computed from: each figure recorded by an earlier run or else assumed, and told which."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.casting import is_asked
from infra.config import RunConfig, parse_config
from infra.config_sections import ChatSection
from infra.forecast_assumed import (
    assumed_chances,
    assumed_figures,
    assumed_rates,
    assumed_tasks,
    kind_shares,
    same_answer,
)
from infra.forecast_records import Record
from infra.pipeline import chosen_policy
from rollouts.episode import Briefing, StepKind
from rollouts.errors import UsageError
from rollouts.forecasting.estimate import combined
from rollouts.forecasting.predict import FREE, Doubt, Prices, RoleFigures
from rollouts.forecasting.profiles import ROLES, CallRates, Chances, Role, TaskProfile
from rollouts.forecasting.sample import Sample, grown, sample
from rollouts.forecasting.tally import Growth
from rollouts.receipt import WorkItem

ASSUMED = "assumed"
SOME_ROLLOUTS = 16
# of each action: more of them are more of the same
MOST_GROWTH = 4.0
# a simulated tree that is further off than this from a recorded one has another reason than chance

ASSUMED_PLAYS, ASSUMED_TOKENS, ASSUMED_SECONDS = 0.42, 0.35, 0.42
# standard deviations of logarithms: 0.42 puts nine of ten within a factor of two
SAME_SETTINGS, SAME_POLICY, OTHER_POLICY, OTHER_RATES = 0.05, 0.1, 0.25, 0.15
# of the plays, beside chance: how like the recorded run this one is
RECORDED_TOKENS, RECORDED_SECONDS = 0.08, 0.25
# a model's texts are alike from day to day, its latency is not


@dataclass(frozen=True, slots=True, kw_only=True)
class Basis:
    tasks: tuple[TaskProfile, ...]
    # of the run's items, in order
    chances: Chances
    rates: CallRates
    figures: Mapping[Role, RoleFigures]
    growth: Growth
    # how much larger recorded trees were than trees simulated for them
    doubt: Doubt
    # beside that of the sample
    paired: bool
    # every task was played before, so that the tasks are no chance
    num_recorded: int
    # trees that the plays are known from; 0: they are assumed
    sources: Mapping[str, str]
    # "plays", "calls" and each role that a model plays → "run X" or "assumed"


def basis(config: RunConfig, items: Sequence[WorkItem], briefings: Sequence[Briefing], record: Record | None) -> Basis:
    tasks = _tasks(config, items, record)
    chances = _chances(config, record)
    rates, rates_from = _rates(config, kind_shares(tasks), chances, record)
    figures, sources = _figures(config, briefings, record)
    own = [sources[role] == ASSUMED for role in sources]
    return Basis(
        tasks=tasks,
        chances=chances,
        rates=rates,
        figures=figures,
        growth=Growth() if record is None else _growth(record),
        paired=record is not None and all(item.task.task_id in record.plays.tasks for item in items),
        doubt=Doubt(
            plays=combined(_doubt_of_plays(config, record), OTHER_RATES if record and rates_from == ASSUMED else 0.0),
            tokens=ASSUMED_TOKENS if any(own) else RECORDED_TOKENS,
            seconds=ASSUMED_SECONDS if any(own) else RECORDED_SECONDS,
        ),
        num_recorded=0 if record is None else record.plays.sizes.num_trees,
        sources={"plays": _from(record), "calls": rates_from, **sources},
    )


def _from(record: Record | None) -> str:
    return ASSUMED if record is None else f"run {record.plays.run_id}"


# -- plays ------------------------------------------------------------------------------------------------------------


def _tasks(config: RunConfig, items: Sequence[WorkItem], record: Record | None) -> tuple[TaskProfile, ...]:
    """A task that was played before stands for itself, another one for any of those that were."""
    if record is None:
        return tuple(assumed_tasks(len(items), turn_limit=config.limits.turns))
    known = record.plays.tasks
    anyone, chance = list(known.values()), random.Random(record.plays.run_id)
    return tuple(known.get(item.task.task_id) or chance.choice(anyone) for item in items)


def _chances(config: RunConfig, record: Record | None) -> Chances:
    assumed = assumed_chances(config)
    if record is None:
        return assumed
    seen = record.plays.chances
    return Chances(
        same_draft={**assumed.same_draft, **seen.same_draft},
        same_answer=same_answer(config),
        objection=seen.objection if record.agrees(config, "critic") else assumed.objection,
    )


def _rates(
    config: RunConfig, kinds: Mapping[StepKind, float], chances: Chances, record: Record | None
) -> tuple[CallRates, str]:
    if record is not None and record.agrees(
        config, "actor.best_of", "critic", "user.kind", "user.reflect", "judge.kind"
    ):
        return record.plays.rates, _from(record)
    return assumed_rates(config, kinds=kinds, objection=chances.objection), ASSUMED


def _doubt_of_plays(config: RunConfig, record: Record | None) -> float:
    if record is None:
        return ASSUMED_PLAYS
    if config.branching.policy == "none" or record.agrees(config, "branching"):
        return SAME_SETTINGS
    return SAME_POLICY if record.agrees(config, "branching.policy") else OTHER_POLICY


# -- how much larger trees were ---------------------------------------------------------------------------------------


def _growth(record: Record) -> Growth:
    """Recorded trees over simulated ones of the same tasks and settings: what the simulation leaves out, chance aside."""
    sizes = record.plays.sizes
    try:
        config = parse_config(record.settings, source=f"run {record.plays.run_id}")
    except UsageError:
        return Growth()
        # an older configuration that cannot be read any more: nothing to compare with
    found = _simulated_again(config, record)
    branches, steps = found.mean.branches, _steps_of_branches(found)
    draws = found.mean.fork_turns
    return Growth(
        branches=_times(sizes.branches, sizes.num_trees * branches),
        branch_turns=_times(sizes.branch_steps, sizes.num_trees * steps),
        forks=_times(sizes.forks, sizes.num_trees * found.mean.forks),
        fork_turns=_times(sizes.draws, sizes.num_trees * (draws["draw"].num if "draw" in draws else 0.0)),
    )


def _simulated_again(config: RunConfig, record: Record) -> Sample:
    plays = record.plays
    return simulated_trees(
        config, list(plays.tasks.values()), chances=_chances(config, record), rates=plays.rates, seed=1
    )


def _steps_of_branches(found: Sample) -> float:
    turns = found.mean.branch_turns
    return found.mean.branches + (turns["act"].num if "act" in turns else 0.0)


def _times(recorded: float, simulated: float) -> float:
    if not recorded or not simulated:
        return 1.0
    return min(max(recorded / simulated, 1 / MOST_GROWTH), MOST_GROWTH)


def simulated_trees(
    config: RunConfig, tasks: Sequence[TaskProfile], *, chances: Chances, rates: CallRates, seed: int = 0
) -> Sample:
    """By the configured policy. Branches of `every_step` are a multiple of its rollouts: of many, some are simulated."""
    chosen = config.branching
    multiple = chosen.policy == "every_step" and not chosen.critiques
    some = min(chosen.rollouts, SOME_ROLLOUTS) if multiple else chosen.rollouts
    fewer = config.model_copy(update={"branching": chosen.model_copy(update={"rollouts": some})})
    more = chosen.rollouts / some
    found = sample(chosen_policy(fewer), tasks, chances=chances, rates=rates, seed=seed)
    return grown(found, Growth(branches=more, branch_turns=more))


# -- calls ------------------------------------------------------------------------------------------------------------


def answers(config: RunConfig, role: Role) -> bool:
    """Whether a model plays the role, at an endpoint or in this run's own engines."""
    return is_asked(config, role) or (role == "critic" and config.critic.kind in ("self", "vllm"))


def _figures(
    config: RunConfig, briefings: Sequence[Briefing], record: Record | None
) -> tuple[dict[Role, RoleFigures], dict[str, str]]:
    figures: dict[Role, RoleFigures] = {}
    sources: dict[str, str] = {}
    for role in ROLES:
        if not answers(config, role):
            figures[role] = RoleFigures(cached_share=0.0)
        elif record is not None and role in record.plays.roles and record.agrees(config, *_who(config, role)):
            figures[role], sources[role] = record.plays.roles[role].figures, _from(record)
        else:
            figures[role], sources[role] = assumed_figures(config, role, briefings), ASSUMED
    return figures, sources


def _who(config: RunConfig, role: Role) -> tuple[str, ...]:
    """The settings that make a recorded call one of the same model."""
    model = "actor" if role == "critic" and config.critic.kind == "self" else role
    return (f"{role}.kind", f"{model}.model", *(("critic.mode",) if role == "critic" else ()))


def prices(config: RunConfig) -> dict[Role, Prices | None]:
    """None: not known. Stand-ins cost nothing, and neither do a run's own engines beyond the machines they run on."""
    return {role: _prices(config, role) if answers(config, role) else FREE for role in ROLES}


def _prices(config: RunConfig, role: Role) -> Prices | None:
    if role == "critic" and config.critic.kind == "vllm":
        return FREE
    section: Any = config.actor if role == "critic" and config.critic.kind == "self" else getattr(config, role)
    return _known(section)


def _known(section: ChatSection) -> Prices | None:
    prompt, completion = section.price_per_million_prompt, section.price_per_million_completion
    if prompt is None or completion is None:
        return None
    return Prices(prompt=prompt, completion=completion, cached=section.price_per_million_cached)
