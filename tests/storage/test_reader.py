from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from pyarrow.dataset import dataset

from rollouts.episode import AssistantMessage, Message, ToolMessage, UserMessage
from rollouts.errors import DataError, UsageError
from storage.compaction import compact
from storage.conversations import ItemConversations, lineage
from storage.layout import marker_key
from storage.objects import ObjectStore, open_store
from storage.reader import conversation, live_files, live_parts, scan
from storage.rows import RunStamp
from storage.runs import create_run
from storage.schema import SCHEMAS, TABLES
from storage.writer import ParquetSink
from tests.s3_server import S3Place
from tests.storage.trees import STAMP, labelling, run_record, sample_tree, work_item

ITEM = work_item().item_id


def publish(store: ObjectStore, *, num_items: int = 2, domain: str = "retail", run_id: str = "run-1") -> None:
    create_run(store, run_record(num_items, run_id=run_id))
    stamp = RunStamp(
        run_id=run_id, actor=STAMP.actor, user=STAMP.user, critic=STAMP.critic, provenance=STAMP.provenance
    )
    for index in range(num_items):
        ParquetSink(store, stamp, labelling).write(sample_tree(work_item(index, domain=domain)))


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path)


@pytest.mark.parametrize("table", TABLES)
def test_a_scan_has_the_schemas_columns_and_types_with_rows_or_without(root: str, table: str) -> None:
    create_run(open_store(root), run_record(2))
    empty = scan(root, table).collect()
    assert empty.height == 0
    publish(open_store(root))
    full = scan(root, table, run_id="run-1").collect()
    assert full.height > 0
    assert full.schema == empty.schema == pl.Schema(SCHEMAS[table])


def test_a_scan_takes_one_run_or_all(root: str) -> None:
    store = open_store(root)
    publish(store, num_items=1, run_id="a")
    publish(store, num_items=2, run_id="b")
    assert scan(root, "episodes", run_id="a").collect().height == 6
    assert scan(root, "episodes").collect()["run_id"].value_counts().sort("run_id").rows() == [("a", 6), ("b", 12)]


def test_only_files_of_the_wanted_domains_and_splits_are_opened(root: str) -> None:
    store = open_store(root)
    publish(store, num_items=1, domain="retail", run_id="a")
    publish(store, num_items=1, domain="air/line", run_id="b")
    for part in live_parts(store, "a", "steps"):
        store.put(part.key, b"whoever opens this fails")
    assert scan(root, "steps", domain="air/line").collect().height == 9
    assert scan(root, "steps", domain=["air/line", "telecom"], split="train").collect().height == 9
    assert scan(root, "steps", split=["test"]).collect().height == 0
    with pytest.raises(pl.exceptions.ComputeError):
        scan(root, "steps", domain=["retail", "air/line"]).collect()


def test_columns_that_a_query_does_not_use_are_not_read(root: str) -> None:
    publish(open_store(root))
    plan = scan(root, "steps").filter(pl.col("step") > 0).select("kind").explain()
    assert "PROJECT 2/" in plan
    assert "SELECTION" in plan


def test_live_files_are_what_other_tools_should_read(root: str) -> None:
    publish(open_store(root), domain="a b/../ü%20[1]*")
    publish(open_store(root), run_id="other")
    compact(open_store(root), "run-1")
    files = live_files(root, "labels")
    assert len(files) == 2 + 4
    rows = scan(root, "labels").collect()
    assert dataset(files, format="parquet").to_table().num_rows == rows.height == 32
    assert live_files(root, "labels", run_id="other", domain="retail") == files[:4]
    assert len(list(open_store(root).list("tables/labels/"))) > len(files)


def test_rows_count_only_once_their_marker_exists(root: str) -> None:
    store = open_store(root)
    publish(store)
    store.delete(marker_key("run-1", ITEM))
    assert set(scan(root, "steps").collect()["item_id"]) == {work_item(1).item_id}
    assert len(live_parts(store, "run-1", "steps")) == 1


def test_tables_join_on_the_item_and_the_path(root: str) -> None:
    publish(open_store(root))
    steps = scan(root, "steps").select("item_id", "step_path", "state_key", "forced")
    joined = (
        scan(root, "values")
        .join(steps, left_on=["item_id", "fork_path", "state_key"], right_on=["item_id", "step_path", "state_key"])
        .collect()
    )
    assert joined.height == scan(root, "values").collect().height == 8


def test_partition_values_of_any_spelling_come_back_as_they_went(root: str) -> None:
    publish(open_store(root), domain="a b/../ü%20[1]*")
    assert set(scan(root, "labels").collect()["domain"]) == {"a b/../ü%20[1]*"}


@pytest.mark.s3
def test_a_bucket_is_read_like_a_directory(s3_place: S3Place, root: str) -> None:
    publish(open_store(root), domain="a b/../ü%20[1]*")
    publish(open_store(s3_place.root, endpoint_url=s3_place.endpoint_url), domain="a b/../ü%20[1]*")
    for table in TABLES:
        there = scan(s3_place.root, table, endpoint_url=s3_place.endpoint_url).collect()
        assert there.equals(scan(root, table).collect())
    there_said = conversation(s3_place.root, "run-1", "t0.s1.a1.r0", item_id=ITEM, endpoint_url=s3_place.endpoint_url)
    assert there_said == conversation(root, "run-1", "t0.s1.a1.r0", item_id=ITEM)


def test_an_unknown_table_or_run_is_named(root: str) -> None:
    publish(open_store(root))
    with pytest.raises(UsageError, match="no table 'step'; the tables are episodes, steps"):
        scan(root, "step")
    with pytest.raises(UsageError, match=r"no run 'x'.*runs there: run-1"):
        scan(root, "steps", run_id="x")


def test_a_conversation_is_put_together_from_every_ancestor(root: str) -> None:
    publish(open_store(root))
    whole = conversation(root, "run-1", "t0.s1.a1.r0.s2.a1.r0", item_id=ITEM)
    assert _marks(whole) == [
        "hello from t0",
        "find_order",
        "result at t0.s0",
        "refund",
        "result at t0.s1.a1.r0.s1",
        "Sorry, no.",
        "answer at t0.s1.a1.r0.s2.a1.r0.s2",
    ]


def test_every_prefix_of_a_branch_begins_as_its_parent_does(root: str) -> None:
    publish(open_store(root))
    branch, parent = "t0.s1.a1.r0", "t0"
    for step, length in enumerate([1, 3, 5, 9, 11]):
        assert len(conversation(root, "run-1", branch, item_id=ITEM, upto_step=step)) == length
    for step in (0, 1):
        assert conversation(root, "run-1", branch, item_id=ITEM, upto_step=step) == conversation(
            root, "run-1", parent, item_id=ITEM, upto_step=step
        )


def test_a_rebuilt_trunk_is_the_conversation_that_was_played(root: str) -> None:
    publish(open_store(root))
    played = sample_tree().episodes["t0"]
    wanted = played.opening + tuple(message for step in played.steps for message in step.added)
    assert conversation(root, "run-1", "t0", item_id=ITEM) == wanted


def test_what_does_not_exist_is_named_with_what_does(root: str) -> None:
    publish(open_store(root))
    with pytest.raises(UsageError, match="no published item 'x'"):
        conversation(root, "run-1", "t0", item_id="x")
    with pytest.raises(UsageError, match=r"no episode 't7' in this item; it has t0, t0\.s1\.a0\.r0"):
        conversation(root, "run-1", "t7", item_id=ITEM)
    with pytest.raises(UsageError, match="episode t0 has 3 steps, got upto_step 4"):
        conversation(root, "run-1", "t0", item_id=ITEM, upto_step=4)


def test_a_step_that_is_missing_below_another_is_an_error_and_never_a_shorter_conversation() -> None:
    episodes = [{"episode_path": path, "opening": "[]"} for path in ("t0", "t0.s1.a0.r0")]
    steps = [{"episode_path": "t0.s1.a0.r0", "step": 1, "added": "[]"}]
    with pytest.raises(DataError, match=r"step t0\.s0 has no row"):
        ItemConversations(episodes=episodes, steps=steps).before("t0.s1.a0.r0", 2)


def test_a_lineage_names_each_ancestor_and_where_it_begins() -> None:
    assert lineage("t3") == [("t3", 0)]
    assert lineage("t0.s4.a1.r2.s7.a0.r1") == [("t0", 0), ("t0.s4.a1.r2", 4), ("t0.s4.a1.r2.s7.a0.r1", 7)]
    for path in ("t0.s4", "t0.s4.a1", "s4.a1.r2", "t0.t1.t2.t3"):
        with pytest.raises(ValueError, match="not an episode's path"):
            lineage(path)


def _marks(messages: Sequence[Message]) -> list[str]:
    marks = []
    for message in messages:
        match message:
            case AssistantMessage(tool_calls=(call, *_)):
                marks.append(call.name)
            case AssistantMessage() | UserMessage():
                marks.append(message.text)
            case ToolMessage():
                marks.append(message.content)
    return marks
