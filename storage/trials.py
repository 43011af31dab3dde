"""The trials of one arm of an evaluation, read from its run's published rows.

Every planned trial is told exactly once: with its return, or as missing with the reason: what its episode failed of, what ended it
without a return, why its task could not be played at all, or that nobody has played it yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from labeling.evaluation.trials import NOT_PLAYED, Missing, Scored, Trial
from rollouts.episode import Spend
from rollouts.tree import path_order
from storage.objects import open_store
from storage.reader import scan
from storage.runs import read_failures, read_run

_SPEND = (
    *("actor_calls", "user_calls", "critic_calls", "judge_calls"),
    *("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd"),
)
_TREE = ["item_id", "episode_path"]


def read_trials(root: str, run_id: str, *, num_trials: int, endpoint_url: str = "") -> list[Trial]:
    """`num_trials` of each of the run's tasks, in the order of its plan. UsageError when there is no such run."""
    store = open_store(root, endpoint_url=endpoint_url)
    played = dict(_played(root, run_id, endpoint_url))
    failures = read_failures(store, run_id)
    trials = []
    for item in read_run(store, run_id).items:
        failure = failures.get(item.item_id)
        missing = Missing(reason=failure.kind.value if failure else NOT_PLAYED)
        for index in range(num_trials):
            unplayed = Trial(task_id=item.task_id, index=index, result=missing)
            trials.append(played.get((item.item_id, index), unplayed))
    return trials


def _played(root: str, run_id: str, endpoint_url: str) -> Iterator[tuple[tuple[str, int], Trial]]:
    """(item, trial index) → the trial whose episode is published."""
    steps = scan(root, "steps", run_id=run_id, endpoint_url=endpoint_url)
    revisions = steps.group_by(_TREE).agg(pl.col("num_revise").sum())
    episodes = scan(root, "episodes", run_id=run_id, endpoint_url=endpoint_url).filter(pl.col("is_trunk"))
    rows = episodes.select(*_TREE, "task_id", "return", "stop_reason", "failure_kind", *_SPEND)
    for row in rows.join(revisions, on=_TREE, how="left").collect().iter_rows(named=True):
        trial = _trial(row)
        yield (row["item_id"], trial.index), trial


def _trial(row: dict[str, Any]) -> Trial:
    [(_, index)] = path_order(row["episode_path"])
    return Trial(
        task_id=row["task_id"],
        index=index,
        result=_result(row),
        revisions=row["num_revise"] or 0,
        spend=Spend(**{name: row[name] for name in _SPEND}),
    )


def _result(row: dict[str, Any]) -> Scored | Missing:
    if row["return"] is not None:
        return Scored(returned=row["return"], stop=row["stop_reason"])
    return Missing(reason=row["failure_kind"] or row["stop_reason"])
