"""Checking a run: everything that a marker promises, recomputed from the bytes.

A problem is one sentence that names the object. Verification goes on after a problem, so that one report names them all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from rollouts.errors import DataError
from storage.content_hash import NO_ROWS, combine, content_hash, row_hash
from storage.layout import item_id_of
from storage.markers import READERS, Marker, marker_from_bytes, marker_keys
from storage.objects import ObjectStore
from storage.parts import read_rows
from storage.runs import read_failures, read_run
from storage.schema import TABLES

Rows: TypeAlias = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    run_id: str
    content_hash: str
    # of the rows that were read; the run's own only when there is no problem
    rows: Mapping[str, int]
    # table → rows read
    items_planned: int
    items_settled: int
    items_failed: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What one marker turned out to be worth."""

    item_id: str
    hashes: Mapping[str, str]
    rows: Mapping[str, int]
    problems: tuple[str, ...]


def verify_run(store: ObjectStore, run_id: str) -> VerifyReport:
    """Reads every part of the run. UsageError if there is no such run; anything wrong with its data is in the report."""
    record = read_run(store, run_id)
    with ThreadPoolExecutor(READERS) as pool:
        checked = list(pool.map(lambda key: _check_marker(store, run_id, key), marker_keys(store, run_id)))
    failed, failure_problems = _failures(store, run_id)
    planned = {item.item_id for item in record.items}
    settled = {item.item_id for item in checked}
    problems = [problem for item in checked for problem in item.problems] + failure_problems
    problems += [
        f"item {item} of run {run_id} has a marker but was never planned" for item in sorted(settled - planned)
    ]
    problems += [
        f"item {item} of run {run_id} was planned but has neither a marker nor a recorded failure; resume the run"
        for item in sorted(planned - settled - failed)
    ]
    return VerifyReport(
        run_id=run_id,
        content_hash=content_hash({table: combine(item.hashes[table] for item in checked) for table in TABLES}),
        rows={table: sum(item.rows[table] for item in checked) for table in TABLES},
        items_planned=len(planned),
        items_settled=len(settled),
        items_failed=len(failed),
        problems=tuple(problems),
    )


def _failures(store: ObjectStore, run_id: str) -> tuple[set[str], list[str]]:
    try:
        return set(read_failures(store, run_id)), []
    except DataError as error:
        return set(), [str(error)]


def _check_marker(store: ObjectStore, run_id: str, key: str) -> _Checked:
    item_id = item_id_of(key)
    try:
        marker = marker_from_bytes(store.get(key), key=key)
    except DataError as error:
        nothing = dict.fromkeys(TABLES, NO_ROWS)
        return _Checked(item_id=item_id, hashes=nothing, rows=dict.fromkeys(TABLES, 0), problems=(str(error),))
    problems = []
    if (marker.run_id, marker.item_id) != (run_id, item_id):
        problems.append(f"marker {key} says it is item {marker.item_id} of run {marker.run_id}")
    rows: dict[str, list[dict[str, Any]]] = {table: [] for table in TABLES}
    for part in marker.parts:
        try:
            rows[part.table] += read_rows(store, part)
        except DataError as error:
            problems.append(str(error))
    hashes = {table: row_hash(table, rows[table]) for table in TABLES}
    if not problems:
        # a part that could not be read makes every following check fail as well, and would only hide the cause
        problems += [*_counts(marker, rows, key), *_hashes(marker, hashes, key), *_references(marker, rows, key)]
    return _Checked(
        item_id=item_id,
        hashes=hashes,
        rows={table: len(rows[table]) for table in TABLES},
        problems=tuple(problems),
    )


def _counts(marker: Marker, rows: Rows, key: str) -> Iterator[str]:
    promised = marker.receipt.rows
    for table in TABLES:
        if promised[table] != len(rows[table]):
            yield f"marker {key} promises {promised[table]} rows of {table}, its parts hold {len(rows[table])}"


def _hashes(marker: Marker, hashes: Mapping[str, str], key: str) -> Iterator[str]:
    for table in TABLES:
        if marker.row_hash[table] != hashes[table]:
            yield f"marker {key} promises row hash {marker.row_hash[table]} for {table}, its rows have {hashes[table]}"


def _references(marker: Marker, rows: Rows, key: str) -> Iterator[str]:
    """Every row is the marker's own; values stand on steps, labels on values."""
    for table in TABLES:
        strays = {(row["run_id"], row["item_id"]) for row in rows[table]} - {(marker.run_id, marker.item_id)}
        for run_id, item_id in sorted(strays):
            yield f"marker {key} publishes rows of {table} that are stamped run {run_id}, item {item_id}"
    steps = {(row["episode_path"], row["step"]) for row in rows["steps"]}
    values = {(row["fork_path"], row["action_index"]) for row in rows["values"]}
    for row in rows["values"]:
        if (row["episode_path"], row["step"]) not in steps:
            yield f"marker {key}: the value at {row['fork_path']}.a{row['action_index']} is about a step that has no row"
    for row in rows["labels"]:
        if (row["fork_path"], row["action_index"]) not in values:
            yield f"marker {key}: the label at {row['fork_path']}.a{row['action_index']} has no value"
