"""What an evaluation found, as it is kept: one JSON object with everything, and one table with a row for each arm.

    evaluations/<id>/result.json        names stay: scripts read them
    evaluations/<id>/summary.parquet    the columns of `SUMMARY`

The episodes themselves are in the tables, under the arms' run ids. An evaluation that goes on replaces both; of a finished one with
deterministic policies they come out the same every time, as nothing in them depends on time or place.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import polars as pl

from labeling.evaluation.paired import Comparison, Turned
from labeling.evaluation.passes import PassEstimate
from labeling.evaluation.summary import ArmSummary, Findings
from storage.objects import ObjectStore

Record: TypeAlias = dict[str, Any]
# JSON-able


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRun:
    """The run that played an arm."""

    arm: str
    run_id: str
    state: str
    # done, failed or unfinished
    content_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationResult:
    evaluation_id: str
    environment: str
    domain: str
    tasks: Mapping[str, int]
    # split → how many were played
    seed: int
    num_trials: int
    # of each task in each arm
    baseline: str
    confidence: float
    # nominal coverage of every interval
    resamples: int
    runs: tuple[ArmRun, ...]
    # of the arms, in their order
    findings: Findings


def publish_result(store: ObjectStore, result: EvaluationResult) -> str:
    """Write both objects; where the JSON lies."""
    record = result_record(result)
    store.put(_key(result, "summary.parquet"), _parquet(record))
    store.put(_key(result, "result.json"), json.dumps(record, indent=1).encode() + b"\n")
    return store.uri(_key(result, "result.json"))


def _key(result: EvaluationResult, name: str) -> str:
    return f"evaluations/{result.evaluation_id}/{name}"


# -- JSON -------------------------------------------------------------------------------------------------------------


def result_record(result: EvaluationResult) -> Record:
    """What `result.json` holds and `treeroll evaluate --json` prints.

    Shares are in [0, 1]; null is what is unknown, or what there is nothing to tell from.
    """
    compared = {comparison.arm: comparison for comparison in result.findings.comparisons}
    return {
        "evaluation_id": result.evaluation_id,
        "environment": result.environment,
        "domain": result.domain,
        "tasks": dict(result.tasks),
        "seed": result.seed,
        "trials": result.num_trials,
        "baseline": result.baseline,
        "confidence": result.confidence,
        "resamples": result.resamples,
        "arms": [
            {**asdict(run), **_arm(summary), "comparison": _comparison(compared.get(summary.arm))}
            for run, summary in zip(result.runs, result.findings.arms, strict=True)
        ],
    }


def _arm(summary: ArmSummary) -> Record:
    spend = summary.spend
    return {
        "episodes": {
            "planned": summary.num_trials,
            "scored": summary.num_scored,
            "solved": summary.num_solved,
            "failed": dict(summary.failed),
            "missing": dict(summary.missing),
        },
        "pass": [_pass(estimate) for estimate in summary.passes],
        "mean_return": summary.mean_return,
        "per_episode": asdict(summary.per_episode) if summary.per_episode else None,
        "llm_calls": spend.calls_by_role,
        "tokens": spend.tokens,
        "cost_usd": spend.cost_usd,
        "cost_per_solved_usd": summary.cost_per_solved_usd,
    }


def _pass(passed: PassEstimate) -> Record:
    estimate = asdict(passed.estimate) if passed.estimate else {"mean": None, "lower": None, "upper": None, "tasks": 0}
    return {"k": passed.k, **estimate}


def _comparison(comparison: Comparison | None) -> Record | None:
    if comparison is None:
        return None
    return {
        "baseline": comparison.baseline,
        "pairs": comparison.num_pairs,
        "difference": asdict(comparison.difference) if comparison.difference else None,
        "helpfulness": _turned(comparison.helpfulness),
        "harmfulness": _turned(comparison.harmfulness),
    }


def _turned(turned: Turned) -> Record:
    share = asdict(turned.share) if turned.share else {"mean": None, "lower": None, "upper": None}
    return {"count": turned.count, "of": turned.of, **share}


# -- Parquet ----------------------------------------------------------------------------------------------------------

_BOUNDS: dict[str, pl.DataType] = {"mean": pl.Float64(), "lower": pl.Float64(), "upper": pl.Float64()}
_COUNTS = pl.List(pl.Struct({"name": pl.String(), "count": pl.Int64()}))
_TURNED = pl.Struct({"count": pl.Int64(), "of": pl.Int64(), **_BOUNDS})
_CALLS: dict[str, pl.DataType] = dict.fromkeys(("actor", "user", "critic", "judge"), pl.Int64())
_MEANS: dict[str, pl.DataType] = dict.fromkeys(
    ("revisions", "actor_calls", "user_calls", "critic_calls", "judge_calls", "tokens"), pl.Float64()
)

_COLUMNS: dict[str, pl.DataType] = {
    "evaluation_id": pl.String(),
    "environment": pl.String(),
    "domain": pl.String(),
    "seed": pl.Int64(),
    "trials": pl.Int64(),
    "baseline": pl.String(),
    "confidence": pl.Float64(),
    "resamples": pl.Int64(),
    "arm": pl.String(),
    "run_id": pl.String(),
    "state": pl.String(),
    "content_hash": pl.String(),
    "planned": pl.Int64(),
    "scored": pl.Int64(),
    "solved": pl.Int64(),
    "failed": _COUNTS,
    "missing": _COUNTS,
    "pass": pl.List(pl.Struct({"k": pl.Int64(), **_BOUNDS, "tasks": pl.Int64()})),
    "mean_return": pl.Float64(),
    "per_episode": pl.Struct(_MEANS),
    "llm_calls": pl.Struct(_CALLS),
    "tokens": pl.Int64(),
    "cost_usd": pl.Float64(),
    "cost_per_solved_usd": pl.Float64(),
    "pairs": pl.Int64(),
    "difference": pl.Struct({**_BOUNDS, "tasks": pl.Int64()}),
    "helpfulness": _TURNED,
    "harmfulness": _TURNED,
}
SUMMARY = pl.Schema(_COLUMNS)
# the names and meanings of `result_record`; what compares is null in the baseline's row


def _parquet(record: Record) -> bytes:
    sink = io.BytesIO()
    pl.DataFrame([_row(record, arm) for arm in record["arms"]], schema=SUMMARY).write_parquet(sink, compression="zstd")
    return sink.getvalue()


def _row(record: Record, arm: Record) -> Record:
    flat = {**record, **arm, **arm["episodes"], **(arm["comparison"] or {}), "baseline": record["baseline"]}
    for name in ("failed", "missing"):
        flat[name] = [{"name": reason, "count": count} for reason, count in flat[name].items()]
    return {name: flat.get(name) for name in SUMMARY}
