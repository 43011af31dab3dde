from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from labeling.records import ActionValue, Label
from rollouts.errors import DataError
from rollouts.protocols import TreeSink
from rollouts.receipt import Progress
from rollouts.tree import Tree
from storage.commit import COMMIT_DEADLINE_S
from storage.markers import marker_keys, read_marker, read_markers
from storage.objects import MissingObject, ObjectStore, open_store
from storage.reader import live_parts
from storage.runs import create_run
from storage.s3_objects import Patience, S3ObjectStore
from storage.schema import TABLES
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.s3_server import S3Place
from tests.storage.faulty_stores import Crash, SlowClock, WatchedStore, crash_at
from tests.storage.lossy_proxy import lossy_proxy
from tests.storage.trees import STAMP, labelling, run_record, sample_tree, work_item

RACERS = 8
NUM_PUTS = 8
# episodes, steps, values, labels of two rules, critiques, calls, marker


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


def sink(store: ObjectStore) -> ParquetSink:
    return ParquetSink(store, STAMP, labelling)


def objects(store: ObjectStore) -> dict[str, bytes]:
    return {info.key: store.get(info.key) for info in store.list("")}


def test_preparing_touches_no_store_and_publishing_again_changes_nothing(store: ObjectStore) -> None:
    publish = sink(store).prepare(sample_tree())
    assert not objects(store)
    receipt, published = publish(), objects(store)
    assert (publish(), objects(store)) == (receipt, published)


def test_a_receipt_counts_what_was_published(store: ObjectStore) -> None:
    writer: TreeSink = sink(store)
    receipt = writer.prepare(sample_tree())()
    assert dict(receipt.rows) == {"episodes": 6, "steps": 9, "values": 4, "labels": 8, "critiques": 3, "calls": 6}
    assert receipt.progress == Progress(
        episodes_planned=6,
        episodes_settled=5,
        episodes_failed=1,
        successes=1,
        forks=2,
        steps=9,
        spend=sample_tree().spend,
    )
    assert receipt.early_stop
    assert receipt == read_marker(store, "run-1", work_item().item_id).receipt


def test_writing_again_changes_nothing_and_returns_the_same_receipt(store: ObjectStore) -> None:
    receipt = sink(store).write(sample_tree())
    before = objects(store)
    watched = WatchedStore(store)
    assert sink(watched).write(sample_tree(duration_s=77.0)) == receipt
    assert watched.puts == []
    assert objects(store) == before


def test_equal_trees_give_equal_objects_in_any_store(tmp_path: Path) -> None:
    stores = [open_store(str(tmp_path / name)) for name in "ab"]
    for each in stores:
        sink(each).write(sample_tree())
    assert objects(stores[0]) == objects(stores[1])


def test_labels_are_filed_by_their_rule_and_names_are_quoted(store: ObjectStore) -> None:
    sink(store).write(sample_tree(work_item(domain="a b/../ü", split="..")))
    folders = {part.key.rpartition("/")[0] for part in live_parts(store, "run-1", "labels")}
    place = "tables/labels/domain=a%20b%2F..%2F%C3%BC/split=../run=run-1"
    assert folders == {f"{place}/labeler=rule%2F1", f"{place}/labeler=rule%2F2"}


def test_a_table_without_rows_has_no_part(store: ObjectStore) -> None:
    def nothing(tree: Tree) -> tuple[Sequence[ActionValue], Sequence[Label]]:
        return [], []

    receipt = ParquetSink(store, STAMP, nothing).write(sample_tree())
    assert (receipt.rows["values"], receipt.rows["labels"]) == (0, 0)
    assert set(receipt.row_hash) == set(TABLES)
    assert live_parts(store, "run-1", "labels") == []


@pytest.mark.parametrize("number", range(NUM_PUTS))
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_put_publishes_all_or_nothing_and_a_retry_completes_it(
    store: ObjectStore, number: int, when: str
) -> None:
    create_run(store, run_record(1))
    crash = crash_at(number)
    watched = WatchedStore(store, before=crash) if when == "before" else WatchedStore(store, after=crash)
    with pytest.raises(Crash):
        sink(watched).write(sample_tree())
    published = when == "after" and number == NUM_PUTS - 1
    assert bool(marker_keys(store, "run-1")) == published
    assert bool(live_parts(store, "run-1", "episodes")) == published
    # played anew, so the times differ
    sink(store).write(sample_tree(duration_s=2.5))
    assert verify_run(store, "run-1").problems == ()
    assert verify_run(store, "run-1").rows["episodes"] == 6


def test_of_racing_writers_one_publishes_and_all_return_its_receipt(store: ObjectStore) -> None:
    create_run(store, run_record(1))
    barrier = threading.Barrier(RACERS)

    def play(racer: int) -> object:
        # all have played, written their parts, and are about to create the marker
        watched = WatchedStore(store, before=lambda number: _wait(barrier) if number == NUM_PUTS - 1 else None)
        return sink(watched).write(sample_tree(duration_s=float(racer)))

    with ThreadPoolExecutor(RACERS) as pool:
        receipts = list(pool.map(play, range(RACERS)))
    assert all(receipt == receipts[0] for receipt in receipts)
    assert len(live_parts(store, "run-1", "episodes")) == 1
    assert len(list(store.list("tables/episodes/"))) == RACERS
    assert verify_run(store, "run-1").problems == ()


def test_a_writer_that_wakes_after_its_work_was_redone_loses(store: ObjectStore) -> None:
    create_run(store, run_record(1))
    others = []

    def redo(number: int) -> None:
        if number == NUM_PUTS - 1:
            others.append(sink(store).write(sample_tree(duration_s=9.0)))

    assert sink(WatchedStore(store, before=redo)).write(sample_tree(duration_s=1.0)) == others[0]
    assert verify_run(store, "run-1").problems == ()


@pytest.mark.s3
def test_a_run_on_a_bad_network_publishes_each_item_once(s3_place: S3Place) -> None:
    direct = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    create_run(direct, run_record(3))
    with lossy_proxy(s3_place.endpoint_url) as proxy:
        proxy.fates = ["pass", "lose_answer", "busy", "lose_answer", "pass", "conflict"] * 9
        patience = Patience(attempts=8, first_pause_s=0.001)
        through = S3ObjectStore(s3_place.root, endpoint_url=proxy.url, patience=patience)
        receipts = [sink(through).write(sample_tree(work_item(index))) for index in range(3)]
    report = verify_run(direct, "run-1")
    assert (report.problems, report.items_settled, report.rows["episodes"]) == ((), 3, 18)
    assert {marker.item_id: marker.receipt for marker in read_markers(direct, "run-1")} == {
        receipt.item_id: receipt for receipt in receipts
    }


@pytest.mark.s3
def test_a_server_that_goes_away_leaves_nothing_half_published(s3_place: S3Place) -> None:
    direct = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    with lossy_proxy(s3_place.endpoint_url) as proxy:
        # it answers the look for a marker and the first two parts
        proxy.fates = ["pass", "pass", "pass"]
        proxy.fates += ["busy"] * 100
        patience = Patience(attempts=2, first_pause_s=0.001)
        with pytest.raises(DataError, match="failed 2 times"):
            sink(S3ObjectStore(s3_place.root, endpoint_url=proxy.url, patience=patience)).write(sample_tree())
    assert len(list(direct.list("tables/"))) == 2
    assert live_parts(direct, "run-1", "episodes") == []
    with pytest.raises(MissingObject):
        read_marker(direct, "run-1", work_item().item_id)


def _wait(barrier: threading.Barrier) -> None:
    barrier.wait(timeout=60)


@pytest.mark.parametrize(("seconds", "again"), [(COMMIT_DEADLINE_S - 1, False), (COMMIT_DEADLINE_S + 1, True)])
def test_a_writer_that_was_held_up_puts_its_parts_again_after_its_marker(
    store: ObjectStore, seconds: float, again: bool
) -> None:
    create_run(store, run_record(1))

    def collect(number: int) -> None:
        # the collector took the parts for nobody's, right before the marker
        if again and number == NUM_PUTS - 1:
            for info in list(store.list("tables/")):
                store.delete(info.key)

    watched = WatchedStore(store, before=collect)
    receipt = ParquetSink(watched, STAMP, labelling, clock=SlowClock(seconds)).write(sample_tree())
    assert watched.puts[NUM_PUTS:] == (watched.puts[: NUM_PUTS - 1] if again else [])
    assert verify_run(store, "run-1").problems == ()
    assert verify_run(store, "run-1").rows == receipt.rows
