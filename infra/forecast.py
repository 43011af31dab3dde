"""What a run will play and what it will take, before anything is spent.

The configured fork policy itself is asked, on simulated trees (`rollouts.forecasting`); what plays and calls are like comes from an
earlier run of the same root where there is one, and is assumed otherwise. Every figure is a range that holds nine of ten.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from infra.config import RunConfig, default_run_id
from infra.forecast_basis import Basis, basis, prices, simulated_trees
from infra.forecast_bounds import bounds
from infra.forecast_limits import check_budget, limit_warnings
from infra.forecast_records import Record, best_record, named_record
from infra.forecast_time import wall_time
from infra.pipeline import branching
from rollouts.errors import DataError
from rollouts.forecasting.duration import Duration
from rollouts.forecasting.estimate import Estimate, about, combined
from rollouts.forecasting.predict import Calls, Doubt, RoleForecast, calls_of, role_forecasts
from rollouts.forecasting.profiles import ROLES, CallRates, Role
from rollouts.forecasting.sample import Sample, grown, sample
from rollouts.forecasting.tally import TreeTally
from rollouts.policies.plain import NoForks
from rollouts.protocols import Environment
from rollouts.receipt import WorkItem
from storage.objects import ObjectStore

MOST_BRIEFINGS = 20
# that texts are measured in: policy and tools are the domain's, scenarios differ little


def forecast(
    config: RunConfig,
    items: Sequence[WorkItem],
    world: Environment[Any],
    store: ObjectStore,
    *,
    name: str,
    run_id: str | None,
    like: str | None = None,
) -> dict[str, Any]:
    """JSON-able, for people by `infra.forecast_text.forecast_rows`; names stay. Nothing is written.

    `like`: the run to take figures from; None: the one of the root that is most like this one, if any. UsageError when there is no
    such run, and for a limit that is smaller than one episode.
    """
    chosen = run_id or config.run.id or default_run_id(config, name)
    record, warnings = _record(store, config, but=chosen, like=like)
    told: dict[str, Any] = {
        "run_id": chosen,
        "root": config.storage.root,
        "tasks": len(items),
        "task_ids": [item.task.task_id for item in items],
        "policy": config.branching.policy,
        **bounds(config, len(items)),
    }
    if items:
        every = max(1, len(items) // MOST_BRIEFINGS)
        briefings = [world.briefing(item.task) for item in items[::every]]
        told = _with_figures(told, config, basis(config, items, briefings, record), len(items))
        check_budget(config, told)
        warnings += [*_unknown(told), *limit_warnings(config, told)]
    return {**told, "warnings": warnings}


def _record(store: ObjectStore, config: RunConfig, *, but: str, like: str | None) -> tuple[Record | None, list[str]]:
    if like is not None:
        return named_record(store, config, like), []
    try:
        return best_record(store, config, but=but), []
    except DataError as error:
        return None, [f"the root could not be read for earlier runs, so that plays are assumed: {error}"]


def _with_figures(told: Mapping[str, Any], config: RunConfig, found: Basis, num_trees: int) -> dict[str, Any]:
    trees = grown(simulated_trees(config, found.tasks, chances=found.chances, rates=found.rates), found.growth)
    trunks = sample(NoForks(trunks=branching(config).trunks), found.tasks, chances=found.chances, rates=found.rates)
    doubt = _doubt(found, trees, num_trees)
    roles, total = role_forecasts(
        _calls(trees.mean, found.rates, num_trees), found.figures, prices(config), doubt=doubt
    )
    _, triage = role_forecasts(_calls(trunks.mean, found.rates, num_trees), found.figures, prices(config), doubt=doubt)
    passed = wall_time(
        config,
        roles,
        found.figures,
        chain_calls=trees.longest_chain(num_trees),
        doubt=combined(doubt.plays, doubt.seconds),
    )
    return {
        **told,
        "episodes": _episodes(told["episodes"], trees.mean, num_trees, doubt),
        "forks": _told(about(trees.mean.forks * num_trees, doubt=doubt.plays)),
        "llm_calls": _by_role(roles, total, "calls"),
        "tokens": _tokens(roles, total),
        "cost_usd": _by_role(roles, total, "cost_usd"),
        "wall_time_s": _wall_time(passed),
        "triage": _amounts(triage, 1),
        "one_episode": _amounts(triage, num_trees * trunks.mean.trunks),
        "figures": dict(found.sources),
        "recorded_trees": found.num_recorded,
        "more_than_simulated": trees.mean.cut_short,
    }


def _doubt(found: Basis, trees: Sample, num_trees: int) -> Doubt:
    """Chance in these trees, and in the recorded ones that they are known from, beside how like the two are."""
    spread = trees.spread_of_a_task if found.paired else trees.spread
    chance = [spread / math.sqrt(count) for count in (num_trees, found.num_recorded) if count]
    return Doubt(plays=combined(found.doubt.plays, *chance), tokens=found.doubt.tokens, seconds=found.doubt.seconds)


def _calls(tree: TreeTally, rates: CallRates, num_trees: int) -> dict[Role, Calls]:
    return {
        role: Calls(num=made.num * num_trees, depth=made.depth * num_trees)
        for role, made in calls_of(tree, rates).items()
    }


# -- as JSON ----------------------------------------------------------------------------------------------------------


def _told(estimate: Estimate | None) -> dict[str, float] | None:
    return None if estimate is None else {name: round(value, 4) for name, value in asdict(estimate).items()}


def _episodes(certain: Mapping[str, Any], tree: TreeTally, num_trees: int, doubt: Doubt) -> dict[str, Any]:
    trunks = certain["at_least"]
    branches = about(tree.branches * num_trees, doubt=doubt.plays)
    most = certain["at_most"]
    every = Estimate(low=trunks + branches.low, expected=trunks + branches.expected, high=trunks + branches.high)
    return {**certain, **(_told(every.clipped(least=trunks, most=float("inf") if most is None else most)) or {})}


def _by_role(roles: Mapping[Role, RoleForecast], total: RoleForecast, what: str) -> dict[str, Any]:
    return {**{role: _told(getattr(roles[role], what)) for role in ROLES}, "total": _told(getattr(total, what))}


def _tokens(roles: Mapping[Role, RoleForecast], total: RoleForecast) -> dict[str, Any]:
    return {
        **{role: _told(roles[role].tokens) for role in ROLES},
        "prompt": _told(total.prompt_tokens),
        "cached": _told(total.cached_tokens),
        "completion": _told(total.completion_tokens),
        "total": _told(total.tokens),
    }


def _wall_time(passed: Duration) -> dict[str, Any]:
    return {**(_told(passed.seconds) or {}), "bound_by": passed.bound_by}


def _amounts(forecast: RoleForecast, share: float) -> dict[str, float | None]:
    """Expected calls, tokens and money, divided by `share`."""
    cost = forecast.cost_usd
    return {
        "calls": forecast.calls.expected / share,
        "tokens": forecast.tokens.expected / share,
        "cost_usd": None if cost is None else cost.expected / share,
    }


def _unknown(told: Mapping[str, Any]) -> list[str]:
    roles = [role for role in ROLES if told["cost_usd"][role] is None]
    warnings = [
        f"the cost of the {role}'s calls is unknown, and so is the total: set {role}.price_per_million_prompt and "
        f"{role}.price_per_million_completion"
        for role in roles
    ]
    if told["more_than_simulated"]:
        warnings.append("trees are larger than what is simulated: the figures are lower bounds")
    return warnings
