"""What a run holds for a format, counted before anything is read in full: enough to choose splits and to refuse."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import polars as pl

from rollouts.errors import UsageError
from storage.export.formats import Format
from storage.export.splits import TaskKey
from storage.reader import scan

_TEST_SPLIT = "test"
_ORIGINS = ("actor", "user", "critic", "judge", "env_source", "env_version", "env_data_hash")


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    num_rows: int
    # of the format's table, published
    num_usable: int
    tasks: tuple[TaskKey, ...]
    # those with usable rows
    counts: Mapping[tuple[str, ...], int]
    # the values of `Format.counted_by` → rows
    origins: Mapping[str, tuple[str, ...]]
    # column → what the rows say: who played, and in which environment


def survey(root: str, run_id: str, made: Format, *, items: Collection[str], endpoint_url: str = "") -> Survey:
    """Of these items only: a run under way may publish more meanwhile.

    UsageError for rows of a test split, and where nothing is usable.
    """
    rows = scan(root, made.table, run_id=run_id, endpoint_url=endpoint_url).filter(pl.col("item_id").is_in(list(items)))
    _refuse_test_rows(rows, run_id)
    counts = _counts(rows, *made.counted_by)
    usable = _counts(rows.filter(made.usable), "domain", "task_id")
    total = sum(counts.values())
    if not usable:
        raise UsageError(
            f"run {run_id!r} has nothing to export as {made.name}: it has {total} published rows in table {made.table}, "
            f"and none is usable ({made.left_out}); play more tasks, or more rollouts of each action"
        )
    return Survey(
        num_rows=total,
        num_usable=sum(usable.values()),
        tasks=tuple((domain, task_id) for domain, task_id in usable),
        counts=counts,
        origins={name: tuple(value for (value,) in _counts(rows, name)) for name in _ORIGINS},
    )


def _refuse_test_rows(rows: pl.LazyFrame, run_id: str) -> None:
    held_out = _counts(rows.filter(pl.col("split").str.to_lowercase() == _TEST_SPLIT), "domain", "task_id")
    if held_out:
        raise UsageError(
            f"run {run_id!r} holds rows of {len(held_out)} tasks of the benchmark's test split (such as "
            f"{' '.join(next(iter(held_out)))}): what is trained on them could not be evaluated. Export a run on a training split"
        )


def _counts(rows: pl.LazyFrame, *columns: str) -> dict[tuple[str, ...], int]:
    """The distinct values of the columns, in order, with their numbers of rows."""
    counted = rows.group_by(columns).agg(pl.len()).sort(columns).collect()
    return {tuple(map(str, row[:-1])): row[-1] for row in counted.iter_rows()}
