"""The table `calls`: published with the tree, told by the same marker, and no part of what a run says."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rollouts.episode import PaidReply
from rollouts.ledger import call_place
from rollouts.tree import Tree
from storage.calls import parse_place
from storage.content_hash import NO_ROWS, content_hash
from storage.layout import marker_key
from storage.markers import combined_hashes, read_marker, read_markers
from storage.objects import ObjectStore, open_store
from storage.reader import live_parts, scan
from storage.rows import tree_tables
from storage.runs import create_run
from storage.schema import CONTENT_TABLES, LATER_TABLES
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.storage.trees import REPLIES, STAMP, labelling, run_record, sample_tree, work_item

MARKER = marker_key("run-1", work_item().item_id)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    store = open_store(str(tmp_path))
    create_run(store, run_record(1))
    return store


def publish(store: ObjectStore, tree: Tree) -> str:
    ParquetSink(store, STAMP, labelling).write(tree)
    return content_hash(combined_hashes(read_markers(store, "run-1")))


def test_every_reply_is_a_row_and_rows_come_in_the_order_of_their_places() -> None:
    rows = tree_tables(sample_tree(), *labelling(sample_tree()), STAMP)["calls"]
    told = [(row["episode_path"], row["step"], row["role"], row["part"], row["attempt"], row["ask"]) for row in rows]
    assert told == [
        ("t0", 0, "actor", "actor", 0, 0),
        ("t0", 0, "actor", "actor", 0, 1),
        ("t0", 0, "user", "opening", 0, 0),
        ("t0", 1, "actor", "draw", 1, 0),
        ("t0.s1.a1.r0", 2, "critic", "critic", 0, 0),
        ("t0.s1.a1.r0", 10, "user", "user", 1, 0),
    ]


def test_a_row_tells_what_the_reply_used_and_how_long_it_took() -> None:
    rows = tree_tables(sample_tree(), *labelling(sample_tree()), STAMP)["calls"]
    used = ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd", "requests", "wait_s", "latency_s")
    assert [rows[1][name] for name in used] == [100, 5, 0, 0.01, 3, 2.5, 0.0]
    assert (rows[0]["model"], rows[0]["finish_reason"], rows[0]["place"]) == ("large", "length", "t0/0/actor/0")
    assert (rows[4]["model"], rows[4]["cost_usd"], rows[4]["cached_tokens"]) == ("judge \ufffd", None, 64)


def test_a_price_that_is_not_known_is_null_in_the_scan(store: ObjectStore, tmp_path: Path) -> None:
    publish(store, sample_tree())
    calls = scan(str(tmp_path), "calls", run_id="run-1").collect()
    assert calls.height == sum(map(len, REPLIES.values()))
    assert calls.filter(role="critic")["cost_usd"].to_list() == [None]


def test_stand_ins_make_no_rows_and_no_part(store: ObjectStore, tmp_path: Path) -> None:
    publish(store, replace(sample_tree(), replies={}))
    assert live_parts(store, "run-1", "calls") == []
    assert read_marker(store, "run-1", work_item().item_id).row_hash["calls"] == NO_ROWS
    assert scan(str(tmp_path), "calls").collect().height == 0


def test_calls_are_checked_but_are_no_part_of_the_content_hash(store: ObjectStore, tmp_path: Path) -> None:
    assert "calls" not in CONTENT_TABLES
    with_calls = publish(store, sample_tree())
    others = {place: (PaidReply(model="other", latency_s=9.0),) for place in REPLIES}
    for name, replies in {"none": {}, "others": others}.items():
        assert publish(open_store(str(tmp_path / name)), replace(sample_tree(), replies=replies)) == with_calls
    _edit_marker(store, lambda record: record["row_hash"].update(calls=NO_ROWS))
    (problem,) = verify_run(store, "run-1").problems
    assert problem.startswith(f"marker {MARKER} promises row hash {NO_ROWS} for calls")


def test_a_marker_written_before_there_was_the_table_is_read_as_one_without_calls(store: ObjectStore) -> None:
    before = publish(store, replace(sample_tree(), replies={}))
    _edit_marker(store, lambda record: record["row_hash"].pop("calls"))
    assert content_hash(combined_hashes(read_markers(store, "run-1"))) == before
    report = verify_run(store, "run-1")
    assert (report.problems, report.content_hash, report.rows["calls"]) == ((), before, 0)


def test_a_later_table_without_rows_leaves_the_hash_as_it_was() -> None:
    before = content_hash({"steps": "1" * 32})
    assert before == "f7a2d93e3e23a5c8c7295b3f3be49807"
    for table in LATER_TABLES:
        assert content_hash({"steps": "1" * 32, table: NO_ROWS}) == before
    assert content_hash({"steps": "1" * 32, "calls": "1" * 32}) == before


@pytest.mark.parametrize("place", ["", "t0/1/actor", "t0/1/actor/0/0", "x/1/actor/0", "t0/one/actor/0"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match=r"not a call's place|not a path|invalid literal"):
        parse_place(place)


@pytest.mark.parametrize("path", ["t0", "t0.s4", "t0.s4.a1", "t0.s4.a1.c0"])
def test_what_was_asked_about_a_fork_belongs_to_the_forked_episode(path: str) -> None:
    branch = "t0.s4.a1.r2"
    assert parse_place(call_place(path, 4, "draw", 1)).episode_path == "t0"
    assert parse_place(call_place(branch, 7, "user", 0)).episode_path == branch
    assert parse_place(call_place(branch + path[2:], 7, "critic", 0)).episode_path == branch


@pytest.mark.parametrize(("part", "role"), [("draw", "actor"), ("opening", "user"), ("judge", "judge")])
def test_a_place_tells_who_is_counted_for_it(part: str, role: str) -> None:
    assert parse_place(call_place("t0.s4.a1.r2", 7, part, 3)).role == role


def _edit_marker(store: ObjectStore, edit: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(store.get(MARKER))
    edit(record)
    store.put(MARKER, json.dumps(record).encode())
