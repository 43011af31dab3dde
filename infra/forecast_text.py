"""A forecast for people: what is expected, its range, and where each figure comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.display import cost_text, count_text, duration_text
from rollouts.forecasting.profiles import ROLES

MOST_IDS = 12


def forecast_rows(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Heading and text, in order; `told` is what `infra.forecast.forecast` gives."""
    ids = told["task_ids"]
    rows = [
        ("run", told["run_id"]),
        ("root", told["root"]),
        ("tasks", f"{count_text(told['tasks'])}: {', '.join(ids[:MOST_IDS])}{', …' if len(ids) > MOST_IDS else ''}"),
        ("policy", told["policy"]),
    ]
    if "figures" in told:
        rows += _figures(told)
    return rows + [("warning", warning) for warning in told["warnings"]]


def _figures(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    calls, costs, tokens = told["llm_calls"], told["cost_usd"], told["tokens"]
    asked = [role for role in ROLES if calls[role]["expected"]]
    cached = "unknown" if tokens["cached"] is None else _whole(tokens["cached"])
    return [
        ("episodes", _episodes(told["episodes"])),
        ("forks", _range(told["forks"], _number)),
        ("LLM calls", _range(calls["total"], _number)),
        *((f"  {role}", _range(calls[role], _number)) for role in asked),
        ("tokens", f"{_range(tokens['total'], _number)}; prompt {_whole(tokens['prompt'])} (cached {cached})"),
        ("cost", _range(costs["total"], cost_text)),
        *((f"  {role}", _range(costs[role], cost_text)) for role in asked if _worth_telling(costs[role])),
        ("wall time", f"{_range(told['wall_time_s'], duration_text)}; bound by {told['wall_time_s']['bound_by']}"),
        ("figures", _sources(told)),
    ]


def _worth_telling(cost: Mapping[str, float] | None) -> bool:
    return cost is None or cost["expected"] > 0


def _episodes(episodes: Mapping[str, Any]) -> str:
    most = episodes["at_most"]
    certain = f"{count_text(episodes['at_least'])} trunks"
    return f"{_range(episodes, _number)}; {certain}" + ("" if most is None else f", never more than {count_text(most)}")


def _sources(told: Mapping[str, Any]) -> str:
    """ "plays and calls from run x (40 trees), actor assumed"."""
    by_source: dict[str, list[str]] = {}
    for what, source in told["figures"].items():
        by_source.setdefault(source, []).append(what)
    return "; ".join(f"{', '.join(what)}: {_source(source, told)}" for source, what in by_source.items())


def _source(source: str, told: Mapping[str, Any]) -> str:
    return f"{source} ({told['recorded_trees']} trees)" if source.startswith("run ") else source


def _range(estimate: Mapping[str, Any] | None, text: Callable[[float], str]) -> str:
    """ "about 1,200 (900 to 1,600)"; without a range where it is certain."""
    if estimate is None:
        return cost_text(None)
    low, expected, high = (text(estimate[name]) for name in ("low", "expected", "high"))
    return expected if low == high else f"about {expected} ({low} to {high})"


def _whole(estimate: Mapping[str, float]) -> str:
    return _number(estimate["expected"])


def _number(value: float) -> str:
    return count_text(round(value))
