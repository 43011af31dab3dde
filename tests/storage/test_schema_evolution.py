"""Data of earlier days is read with today's columns; data of later days is refused by name."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rollouts.errors import DataError
from storage.compaction import compact
from storage.content_hash import hashed_cells, row_hash
from storage.layout import marker_key
from storage.markers import marker_to_bytes, read_marker
from storage.objects import ObjectStore, open_store
from storage.parts import encode_rows, read_part, read_rows
from storage.reader import live_parts, scan
from storage.schema import LATER_COLUMNS, SCHEMAS, hashed_columns, later_columns
from storage.verify import verify_run
from tests.storage.published_runs import publish
from tests.storage.trees import work_item

OLD, NEW = work_item(0).item_id, work_item(1).item_id
# the item whose part is as an earlier treeroll wrote it, and one of today's
ADDED = "fork_draws"
# a nullable column of `steps`, taken for one that was added later


@pytest.fixture
def root(tmp_path: Path) -> str:
    store = open_store(str(tmp_path))
    publish(store, items=range(2), planned=2)
    _rewrite(store, "steps", lambda rows: rows.drop_columns([ADDED]))
    return str(tmp_path)


@pytest.fixture
def store(root: str) -> ObjectStore:
    return open_store(root)


def test_a_column_that_was_added_later_is_null_in_old_rows_and_there_in_new_ones(store: ObjectStore, root: str) -> None:
    rows = scan(root, "steps").collect()
    assert set(rows.filter(item_id=OLD)[ADDED]) == {None}
    assert set(rows.filter(item_id=NEW)[ADDED]) == {None, 3}
    for part in live_parts(store, "run-1", "steps"):
        assert read_part(store, part).schema.names == SCHEMAS["steps"].names


def test_old_data_verifies_and_is_brought_up_to_date_by_a_compaction(store: ObjectStore, root: str) -> None:
    before = scan(root, "steps").collect()
    assert verify_run(store, "run-1").problems == ()
    compact(store, "run-1")
    (part,) = live_parts(store, "run-1", "steps")
    assert pq.ParquetFile(pa.BufferReader(store.get(part.key))).schema_arrow.names == SCHEMAS["steps"].names
    after = scan(root, "steps").collect()
    assert after.sort("item_id", maintain_order=True).equals(before.sort("item_id", maintain_order=True))
    assert verify_run(store, "run-1").problems == ()


def test_a_column_that_every_row_fills_cannot_be_missing(store: ObjectStore) -> None:
    part = _rewrite(store, "steps", lambda rows: rows.drop_columns(["kind"]))
    with pytest.raises(DataError, match=f"part {part} does not have the columns of table steps"):
        _read_all(store)


def test_a_column_of_another_type_is_not_taken_for_ours(store: ObjectStore) -> None:
    def widen(rows: pa.Table) -> pa.Table:
        at = rows.schema.get_field_index("step")
        return rows.set_column(at, pa.field("step", pa.int64(), nullable=False), rows["step"].cast(pa.int64()))

    part = _rewrite(store, "steps", widen)
    with pytest.raises(DataError, match=f"part {part} does not have the columns of table steps"):
        _read_all(store)


def test_a_column_that_only_a_newer_treeroll_knows_is_refused_by_name(store: ObjectStore) -> None:
    part = _rewrite(store, "steps", lambda rows: rows.append_column("mood", pa.nulls(len(rows), pa.string())))
    with pytest.raises(DataError, match=rf"part {part} has columns .* does not know \(mood\); install the version"):
        _read_all(store)


def test_a_part_of_a_newer_schema_is_refused_by_name_and_compaction_changes_nothing(store: ObjectStore) -> None:
    def newer(rows: pa.Table) -> pa.Table:
        return rows.replace_schema_metadata({**rows.schema.metadata, b"treeroll.schema_version": b"2"})

    part = _rewrite(store, "steps", newer)
    before = {info.key for info in store.list("")}
    with pytest.raises(DataError, match=f"part {part} has schema version 2; this treeroll reads 1"):
        compact(store, "run-1")
    assert not {key for key in {info.key for info in store.list("")} - before if "/generations/" in key}


# -- hashes -----------------------------------------------------------------------------------------------------------


def test_a_later_column_leaves_the_hash_of_rows_from_before_it_alone() -> None:
    before = hashed_cells({"a": 1, "b": None}, columns=["a", "b"], later=[])
    assert hashed_cells({"a": 1, "b": None, "c": None}, columns=["a", "b"], later=["c"]) == before
    assert hashed_cells({"a": 1, "b": None, "c": 0}, columns=["a", "b"], later=["c"]) != before


def test_two_later_columns_with_one_value_are_not_mixed_up() -> None:
    said = [hashed_cells({"a": 1, "c": c, "d": d}, columns=["a"], later=["c", "d"]) for c, d in [(5, None), (None, 5)]]
    assert said[0] != said[1]


@pytest.mark.parametrize("table", SCHEMAS)
def test_later_columns_are_nullable_columns_of_the_table(table: str) -> None:
    for name in later_columns(table):
        assert SCHEMAS[table].field(name).nullable
    assert not set(later_columns(table)) & set(hashed_columns(table))
    assert LATER_COLUMNS.keys() <= SCHEMAS.keys()


def _read_all(store: ObjectStore) -> None:
    for part in live_parts(store, "run-1", "steps"):
        read_rows(store, part)


def _rewrite(store: ObjectStore, table: str, change: Callable[[pa.Table], pa.Table]) -> str:
    """Publish the old item's rows of a table as another treeroll would have written them; the part's key."""
    marker = read_marker(store, "run-1", OLD)
    (part,) = [part for part in marker.parts if part.table == table]
    rows = [{**row, ADDED: None} for row in read_rows(store, part)]
    sink = io.BytesIO()
    pq.write_table(change(pq.ParquetFile(io.BytesIO(encode_rows(table, rows))).read()), sink)
    data = sink.getvalue()
    store.put(part.key, data)
    new = replace(part, sha256=hashlib.sha256(data).hexdigest(), num_bytes=len(data))
    parts = tuple(new if each == part else each for each in marker.parts)
    hashes = {**marker.row_hash, table: row_hash(table, rows)}
    store.put(marker_key("run-1", OLD), marker_to_bytes(replace(marker, parts=parts, row_hash=hashes)))
    return part.key
