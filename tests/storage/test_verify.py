"""Damage of every kind, done to a sound run: verification names the object, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollouts.episode import Failure
from rollouts.errors import DataError, FailureKind, UsageError
from storage.content_hash import content_hash, row_hash
from storage.layout import failure_key, marker_key
from storage.markers import combined_hashes, marker_to_bytes, read_marker, read_markers
from storage.objects import ObjectStore, open_store
from storage.parts import encode_rows, read_rows
from storage.reader import live_parts
from storage.runs import create_run, record_failure
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.storage.trees import STAMP, labelling, run_record, sample_tree, work_item

ITEM = work_item().item_id
MARKER = marker_key("run-1", ITEM)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(str(tmp_path))
    create_run(store, run_record(2))
    for index in range(2):
        ParquetSink(store, STAMP, labelling).write(sample_tree(work_item(index)))
    return store


def test_a_sound_run_has_no_problem_and_the_hash_its_markers_promise(store: ObjectStore) -> None:
    report = verify_run(store, "run-1")
    assert report.ok
    assert report.problems == ()
    assert (report.items_planned, report.items_settled, report.items_failed) == (2, 2, 0)
    assert report.rows == {"episodes": 12, "steps": 18, "values": 8, "labels": 16, "critiques": 6, "calls": 12}
    assert report.content_hash == content_hash(combined_hashes(read_markers(store, "run-1")))


def test_the_content_hash_is_the_same_under_another_run_id_and_in_another_order(
    store: ObjectStore, tmp_path: Path
) -> None:
    other = open_store(str(tmp_path / "other"))
    create_run(other, run_record(2, run_id="again"))
    for index in (1, 0):
        tree = sample_tree(work_item(index), duration_s=8.0)
        ParquetSink(other, replace(STAMP, run_id="again"), labelling).write(tree)
    assert verify_run(other, "again").content_hash == verify_run(store, "run-1").content_hash


def test_a_flipped_bit_names_the_part(store: ObjectStore) -> None:
    part = live_parts(store, "run-1", "steps")[0]
    data = bytearray(store.get(part.key))
    data[len(data) // 2] ^= 1
    store.put(part.key, bytes(data))
    assert _problem(store).startswith(f"part {part.key} is corrupted: sha256 should be {part.sha256}, is ")


def test_a_missing_part_names_the_part(store: ObjectStore) -> None:
    part = live_parts(store, "run-1", "values")[1]
    store.delete(part.key)
    assert _problem(store).startswith(f"part {part.key} is missing though a marker publishes it")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"schema_version": 1}'])
def test_a_corrupted_marker_is_named(store: ObjectStore, damage: bytes) -> None:
    store.put(MARKER, damage)
    assert _problem(store).startswith(f"marker {MARKER} is corrupted")


def test_a_marker_of_a_newer_schema_is_refused_by_name(store: ObjectStore) -> None:
    _edit_marker(store, lambda record: record.update(schema_version=2, something_new=True))
    assert _problem(store) == (
        f"marker {MARKER} has schema version 2; this treeroll reads 1, install the version that wrote it"
    )
    with pytest.raises(DataError, match="schema version 2"):
        live_parts(store, "run-1", "steps")


def test_a_marker_of_an_unknown_table_is_corrupted(store: ObjectStore) -> None:
    _edit_marker(store, lambda record: record["parts"][0].update(table="secrets"))
    assert _problem(store).startswith(f"marker {MARKER} is corrupted (ValueError(\"no table 'secrets'\"))")


def test_a_part_of_a_newer_schema_is_refused_by_name(store: ObjectStore) -> None:
    part = live_parts(store, "run-1", "values")[0]
    newer = store.get(part.key).replace(b"treeroll.schema_version\x18\x011", b"treeroll.schema_version\x18\x019")
    assert newer != store.get(part.key)
    store.put(part.key, newer)
    _edit_marker(store, lambda record: _listed(record, part.key).update(sha256=hashlib.sha256(newer).hexdigest()))
    assert _problem(store).startswith(f"part {part.key} has schema version 9; this treeroll reads 1")


def test_a_part_with_the_columns_of_another_table_is_named(store: ObjectStore) -> None:
    values, steps = (live_parts(store, "run-1", table)[0] for table in ("values", "steps"))
    _edit_marker(store, lambda record: _listed(record, values.key).update(key=steps.key, sha256=steps.sha256))
    assert _problem(store).startswith(f"part {steps.key} does not have the columns of table values")


def test_a_wrong_count_and_a_wrong_hash_name_the_marker(store: ObjectStore) -> None:
    _edit_marker(store, lambda record: record["parts"][0].update(num_rows=7))
    assert _problem(store) == f"marker {MARKER} promises 7 rows of episodes, its parts hold 6"
    _edit_marker(store, lambda record: record["parts"][0].update(num_rows=6))
    _edit_marker(store, lambda record: record["row_hash"].update(labels="0" * 32))
    assert _problem(store).startswith(f"marker {MARKER} promises row hash {'0' * 32} for labels, its rows have ")


def test_a_marker_under_anothers_name_is_named(store: ObjectStore) -> None:
    _edit_marker(store, lambda record: record.update(item_id="f" * 32))
    assert _problem(store) == f"marker {MARKER} says it is item {'f' * 32} of run run-1"


def test_a_row_of_another_item_names_the_marker(store: ObjectStore) -> None:
    _rewrite(store, "values", lambda rows: [{**rows[0], "item_id": "e" * 32}, *rows[1:]])
    assert _problem(store) == f"marker {MARKER} publishes rows of values that are stamped run run-1, item {'e' * 32}"


def test_a_value_about_a_step_that_has_no_row_is_named(store: ObjectStore) -> None:
    _rewrite(store, "steps", lambda rows: [row for row in rows if row["step_path"] != "t0.s1"])
    assert verify_run(store, "run-1").problems == (
        f"marker {MARKER}: the value at t0.s1.a0 is about a step that has no row",
        f"marker {MARKER}: the value at t0.s1.a1 is about a step that has no row",
        f"marker {MARKER}: the episode t0 says it has 3 steps of its own, 2 have a row",
    )


def test_a_label_without_its_value_is_named(store: ObjectStore) -> None:
    _rewrite(store, "values", lambda rows: rows[:-1])
    problems = verify_run(store, "run-1").problems
    assert problems == (f"marker {MARKER}: the label at t0.s1.a1.r0.s2.a1 has no value",) * 2


def test_a_planned_item_that_never_settled_is_named(store: ObjectStore) -> None:
    store.delete(MARKER)
    assert _problem(store).startswith(f"item {ITEM} of run run-1 was planned but has neither a marker nor a recorded")
    record_failure(store, "run-1", ITEM, Failure(kind=FailureKind.TIMEOUT, message="too slow"))
    report = verify_run(store, "run-1")
    assert (report.problems, report.items_settled, report.items_failed) == ((), 1, 1)


def test_an_item_that_was_never_planned_is_named(store: ObjectStore) -> None:
    ParquetSink(store, STAMP, labelling).write(sample_tree(work_item(5)))
    assert _problem(store) == f"item {work_item(5).item_id} of run run-1 has a marker but was never planned"


def test_a_corrupted_failure_record_is_named(store: ObjectStore) -> None:
    store.put(failure_key("run-1", "d" * 32), b"?")
    assert _problem(store).startswith(f"failure record {failure_key('run-1', 'd' * 32)} is corrupted")


def test_one_report_names_every_problem(store: ObjectStore) -> None:
    first, second = (part.key for part in live_parts(store, "run-1", "labels")[:2])
    store.delete(first)
    store.put(second, b"")
    store.delete(marker_key("run-1", work_item(1).item_id))
    assert len(verify_run(store, "run-1").problems) == 3


def test_a_run_that_does_not_exist_is_a_usage_error(store: ObjectStore) -> None:
    with pytest.raises(UsageError, match="no run 'nope'"):
        verify_run(store, "nope")


def _problem(store: ObjectStore) -> str:
    report = verify_run(store, "run-1")
    assert not report.ok
    (problem,) = report.problems
    return problem


def _edit_marker(store: ObjectStore, edit: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(store.get(MARKER))
    edit(record)
    store.put(MARKER, json.dumps(record).encode())


def _listed(record: dict[str, Any], key: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = record["parts"]
    return next(part for part in parts if part["key"] == key)


def _rewrite(store: ObjectStore, table: str, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Republish one table of the item with other rows, every count and hash being right."""
    marker = read_marker(store, "run-1", ITEM)
    (old,) = [part for part in marker.parts if part.table == table]
    rows = change(read_rows(store, old))
    data = encode_rows(table, rows)
    store.put(old.key, data)
    new = replace(old, sha256=hashlib.sha256(data).hexdigest(), num_bytes=len(data), num_rows=len(rows))
    parts = tuple(new if part == old else part for part in marker.parts)
    hashes = {**marker.row_hash, table: row_hash(table, rows)}
    store.put(MARKER, marker_to_bytes(replace(marker, parts=parts, row_hash=hashes)))
