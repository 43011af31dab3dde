"""What a run's limits make of its forecast: a budget that buys nothing is refused, one that ends early is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.config import RunConfig
from infra.display import cost_text, count_text
from rollouts.errors import UsageError

LEAST_SHARE = 0.5
# of a mean episode: a budget under it buys no episode, as far as can be told


def check_budget(config: RunConfig, told: Mapping[str, Any]) -> None:
    """`told`: a forecast's record. UsageError for a limit that is smaller than one episode; a record without one is passed over."""
    for key, limit, amount in _limits(config, told.get("one_episode")):
        if limit < LEAST_SHARE * amount:
            raise UsageError(
                f"limits.{key} = {limit:g} buys no episode: one takes about {_text(key, amount)} ({told['figures']['plays']}). "
                f"Set it to {_text(key, amount)} at least, or to 0 for no limit"
            )


def limit_warnings(config: RunConfig, told: Mapping[str, Any]) -> list[str]:
    """What a reader should know before he starts a run that a limit will end."""
    triage = {key: limit for key, limit, amount in _limits(config, told["triage"]) if limit < amount}
    warnings = [
        f"limits.{key} = {limit:g} ends the run before triage is complete: all trunks take about "
        f"{_text(key, told['triage'][key])}"
        for key, limit in triage.items()
    ]
    expected = {key: _expected(told[total]) for key, total in _TOTALS.items()}
    warnings += [
        f"limits.{key} = {limit:g} is expected to stop the run at {limit / amount:.0%} of its {_text(key, amount)}; "
        "it can be resumed"
        for key, limit, amount in _limits(config, expected)
        if key not in triage and limit < amount
    ]
    return warnings + list(_tree_warnings(config, told))


def _tree_warnings(config: RunConfig, told: Mapping[str, Any]) -> Iterator[str]:
    per_tree: int = getattr(config.branching, "calls_per_tree", 0)
    trunks = told["triage"]["calls"] / max(1, told["tasks"])
    if per_tree and per_tree < trunks:
        yield (
            f"branching.calls_per_tree = {per_tree} leaves nothing for forks: the {config.branching.trunks} trunks of a task take "
            f"about {count_text(round(trunks))} calls"
        )


_TOTALS = {"calls": "llm_calls", "tokens": "tokens", "cost_usd": "cost_usd"}


def _expected(totals: Mapping[str, Any]) -> float | None:
    return None if totals["total"] is None else float(totals["total"]["expected"])


def _limits(config: RunConfig, amounts: Mapping[str, Any] | None) -> Iterator[tuple[str, float, float]]:
    """Key, limit and amount, where there is a limit and the amount is known."""
    for key in _TOTALS:
        limit: float = getattr(config.limits, key)
        amount = (amounts or {}).get(key)
        if limit and amount is not None:
            yield key, limit, float(amount)


def _text(key: str, amount: float) -> str:
    match key:
        case "cost_usd":
            return cost_text(amount)
        case "calls":
            return f"{count_text(round(amount))} LLM calls"
        case _:
            return f"{count_text(round(amount))} tokens"
