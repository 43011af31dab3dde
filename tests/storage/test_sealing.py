"""Sealed markers are copies: quick to read, harmless to lose, and no door for a late writer."""

from __future__ import annotations

import pytest

from rollouts.errors import DataError
from storage.layout import marker_key, sealed_key
from storage.markers import marker_keys, read_markers
from storage.objects import ObjectStore, open_store
from storage.sealed import read_sealed, sealed_keys
from storage.sealing import seal
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.storage.counted_store import CountedStore
from tests.storage.faulty_stores import WatchedStore
from tests.storage.published_runs import publish, seen
from tests.storage.trees import STAMP, labelling, sample_tree, work_item

ITEM = work_item().item_id


@pytest.fixture
def store(published_root: str) -> ObjectStore:
    return open_store(published_root)


def test_sealed_markers_are_read_from_one_object(store: ObjectStore) -> None:
    before = list(read_markers(store, "run-1"))
    assert seal(store, "run-1", at_least=1).newly_sealed == 5
    gets: list[str] = []
    counted = CountedStore(store, before=lambda name, key, _: gets.append(key) if name == "get" else None)
    assert list(read_markers(counted, "run-1")) == before
    assert gets == sealed_keys(store, "run-1")


def test_markers_that_come_later_are_read_beside_the_sealed_ones_and_sealed_the_next_time(store: ObjectStore) -> None:
    seal(store, "run-1", at_least=1)
    publish(store, items=range(5, 7), planned=5)
    assert len(list(read_markers(store, "run-1"))) == 7
    report = seal(store, "run-1", at_least=1)
    assert (report.newly_sealed, report.sealed, report.loose) == (2, 7, 0)
    assert len(sealed_keys(store, "run-1")) == 2
    assert len(read_sealed(store, "run-1")) == 7


def test_few_new_markers_are_not_worth_an_object(store: ObjectStore) -> None:
    report = seal(store, "run-1")
    assert (report.newly_sealed, report.sealed, report.loose) == (0, 0, 5)
    assert sealed_keys(store, "run-1") == []


def test_sealing_again_changes_nothing(store: ObjectStore) -> None:
    seal(store, "run-1", at_least=1)
    watched = WatchedStore(store)
    assert seal(watched, "run-1", at_least=1).newly_sealed == 0
    assert watched.puts == []


def test_two_sealers_at_once_do_no_harm(store: ObjectStore) -> None:
    before = seen(store)

    def other(_: int) -> None:
        publish(store, items=range(5, 6), planned=5)
        seal(store, "run-1", at_least=1)

    seal(WatchedStore(store, before=other), "run-1", at_least=1)
    assert len(sealed_keys(store, "run-1")) == 2
    assert len(list(read_markers(store, "run-1"))) == 6
    assert set(before.rows["steps"]) < set(seen(store).rows["steps"])


def test_a_writer_that_wakes_after_its_item_was_sealed_still_loses(store: ObjectStore) -> None:
    others = []

    def redo(operation: str, key: str, _: int) -> None:
        # it has looked for a marker, found none and written its parts; meanwhile another published and sealed
        if operation == "put_if_absent":
            others.append(ParquetSink(store, STAMP, labelling).write(sample_tree(work_item(7))))
            seal(store, "run-1", at_least=1)

    late = ParquetSink(CountedStore(store, before=redo), STAMP, labelling)
    assert late.write(sample_tree(work_item(7), duration_s=9.0)) == others[0]
    assert len([key for key in marker_keys(store, "run-1") if work_item(7).item_id in key]) == 1


def test_a_lost_sealed_object_loses_nothing(store: ObjectStore) -> None:
    before = seen(store)
    seal(store, "run-1", at_least=1)
    store.delete(sealed_keys(store, "run-1")[0])
    assert seen(store) == before


@pytest.mark.parametrize("position", [0, 30, -1])
def test_a_flipped_bit_in_a_sealed_object_names_it_and_what_to_do(store: ObjectStore, position: int) -> None:
    seal(store, "run-1", at_least=1)
    (key,) = sealed_keys(store, "run-1")
    data = bytearray(store.get(key))
    data[position] ^= 64
    store.put(key, bytes(data))
    with pytest.raises(
        DataError, match=f"sealed markers {key} are corrupted .* delete the object: it holds copies only"
    ):
        list(read_markers(store, "run-1"))
    assert [problem[: len(f"sealed markers {key}")] for problem in verify_run(store, "run-1").problems] == [
        f"sealed markers {key}"
    ]


def test_a_sealed_object_of_a_newer_schema_is_refused_by_name(store: ObjectStore) -> None:
    key = sealed_key("run-1", "f" * 64)
    store.put(key, b'{"schema_version": 2, "what": "ever"}\n?')
    with pytest.raises(DataError, match=f"sealed markers {key} have schema version 2; this treeroll reads 1"):
        list(read_markers(store, "run-1"))


def test_a_damaged_marker_is_not_sealed(store: ObjectStore) -> None:
    store.put(marker_key("run-1", ITEM), b"{")
    with pytest.raises(DataError, match=f"marker {marker_key('run-1', ITEM)} is corrupted"):
        seal(store, "run-1", at_least=1)
    assert sealed_keys(store, "run-1") == []


def test_verification_misses_a_marker_of_which_only_the_sealed_copy_is_left(store: ObjectStore) -> None:
    seal(store, "run-1", at_least=1)
    store.delete(marker_key("run-1", ITEM))
    (sealed,) = sealed_keys(store, "run-1")
    problems = verify_run(store, "run-1").problems
    assert (
        f"marker {marker_key('run-1', ITEM)} is missing, though {sealed} holds a copy; restore it from that copy"
        in problems
    )


def test_verification_compares_sealed_copies_with_their_markers(store: ObjectStore) -> None:
    seal(store, "run-1", at_least=1)
    key = marker_key("run-1", ITEM)
    store.put(key, store.get(key).replace(b'"early_stop":true', b'"early_stop":false'))
    (sealed,) = sealed_keys(store, "run-1")
    assert verify_run(store, "run-1").problems == (
        f"sealed markers {sealed} hold another marker of item {ITEM} than {key}",
    )
