"""How wrong a run's forecast was: what was predicted before it began, beside what it took.

Only a run that was played to its end can be compared; its wall time only where one session played all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from infra.display import cost_text, count_text, duration_text
from rollouts.episode import Spend

_NOT_STORED = ("run_id", "root", "task_ids", "warnings")
# what the run's record says itself, or what was said for the moment


def stored_forecast(told: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a forecast that is kept with the run."""
    return {key: value for key, value in told.items() if key not in _NOT_STORED}


def compared(stored: Mapping[str, Any], spend: Spend, *, wall_s: float | None) -> dict[str, Any]:
    """JSON-able: of calls, tokens, cost and time what was predicted, what it was, and the error; names stay.

    `error` is predicted / real - 1: 0.25 is a quarter too many; null where nothing was predicted or nothing was spent. Empty for a
    run that was begun without a forecast. `wall_s` is None where no one session played it all.
    """
    if "llm_calls" not in stored:
        return {}
    real = {"llm_calls": spend.calls, "tokens": spend.tokens, "cost_usd": spend.cost_usd, "wall_time_s": wall_s}
    return {key: _against(_predicted(stored[key]), amount) for key, amount in real.items()}


def _predicted(estimate: Mapping[str, Any]) -> Mapping[str, float] | None:
    """The total's, where there is one for each role, too."""
    found: Mapping[str, float] | None = estimate.get("total", estimate)
    return found


def _against(predicted: Mapping[str, float] | None, real: float | None) -> dict[str, Any]:
    if predicted is None:
        return {"predicted": None, "real": real, "error": None, "in_range": None}
    return {
        "predicted": predicted["expected"],
        "real": real,
        "error": round(predicted["expected"] / real - 1, 4) if real else None,
        "in_range": None if real is None else predicted["low"] <= real <= predicted["high"],
    }


def prediction_rows(comparison: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Heading and text for the last table of a run; none where there is nothing to compare."""
    texts: dict[str, Callable[[float], str]] = {
        "llm_calls": lambda calls: f"{count_text(round(calls))} LLM calls",
        "tokens": lambda tokens: f"{count_text(round(tokens))} tokens",
        "cost_usd": cost_text,
        "wall_time_s": duration_text,
    }
    told = [_text(comparison[key], text) for key, text in texts.items() if key in comparison]
    return [("predicted", ", ".join(part for part in told if part))] if any(told) else []


def _text(against: Mapping[str, Any], text: Callable[[float], str]) -> str:
    """Nothing where nothing was predicted, or nothing was used as predicted."""
    predicted, error = against["predicted"], against["error"]
    if not predicted:
        return ""
    return text(predicted) if error is None else f"{text(predicted)} ({error:+.0%})"
