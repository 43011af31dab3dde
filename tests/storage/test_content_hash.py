from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.content_hash import NO_ROWS, combine, content_hash, row_hash
from storage.objects import open_store
from storage.parts import Part, encode_rows, read_rows
from storage.rows import Row, tree_tables
from storage.schema import NOT_HASHED, SCHEMAS, TABLES
from tests.storage.trees import STAMP, labelling, sample_tree

TREE = sample_tree()
ROWS: dict[str, list[Row]] = tree_tables(TREE, *labelling(TREE), STAMP)


@pytest.mark.parametrize("table", TABLES)
def test_rows_read_back_hash_as_they_did_before_writing(table: str, tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    data = encode_rows(table, ROWS[table])
    part = Part(
        table=table,
        key="part.parquet",
        sha256=hashlib.sha256(data).hexdigest(),
        num_bytes=len(data),
        num_rows=len(ROWS[table]),
    )
    store.put(part.key, data)
    read = read_rows(store, part)
    assert read == ROWS[table]
    assert row_hash(table, read) == row_hash(table, ROWS[table])


@given(st.randoms(use_true_random=False), st.integers(0, 9))
def test_the_hash_is_blind_to_order_and_to_how_rows_are_filed(chance: random.Random, cut: int) -> None:
    rows = chance.sample(ROWS["steps"], len(ROWS["steps"]))
    rows = [dict(chance.sample(sorted(row.items()), len(row))) for row in rows]
    parts = [row_hash("steps", rows[:cut]), row_hash("steps", rows[cut:])]
    assert combine(parts) == combine(reversed(parts)) == row_hash("steps", ROWS["steps"])


@pytest.mark.parametrize("table", TABLES)
def test_a_change_in_any_column_that_is_content_changes_the_hash(table: str) -> None:
    before = row_hash(table, ROWS[table])
    for name in SCHEMAS[table].names:
        changed = [{**ROWS[table][0], name: "something else"}, *ROWS[table][1:]]
        assert (row_hash(table, changed) == before) == (name in NOT_HASHED), name


def test_a_doubled_row_a_lost_row_and_another_table_change_the_hash() -> None:
    rows = ROWS["values"]
    hashes = {row_hash("values", rows), row_hash("values", [*rows, rows[0]]), row_hash("values", rows[1:]), NO_ROWS}
    assert len(hashes) == 4
    assert row_hash("values", []) == combine([]) == NO_ROWS


def test_the_content_hash_tells_which_table_holds_what() -> None:
    some = row_hash("steps", ROWS["steps"])
    assert content_hash({"steps": some}) != content_hash({"values": some})
    assert content_hash({"steps": some}) == content_hash({"values": NO_ROWS, "steps": some})


def test_wall_time_and_addresses_are_not_content() -> None:
    assert {"run_id", "item_id", "duration_s"} == NOT_HASHED
    slow = sample_tree(duration_s=99.0)
    assert row_hash("episodes", tree_tables(slow, *labelling(slow), STAMP)["episodes"]) == row_hash(
        "episodes", ROWS["episodes"]
    )


def test_a_cell_of_an_unknown_type_is_refused() -> None:
    with pytest.raises(TypeError, match="got object"):
        row_hash("values", [{**ROWS["values"][0], "reason": "", "kind": object()}])
