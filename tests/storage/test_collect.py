"""Garbage is what nobody can want any more; whatever happens meanwhile, a published row keeps its part."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import boto3
import pytest

from rollouts.errors import DataError, UsageError
from storage.collect import GRACE_S, LEAST_GRACE_S, collect_garbage, store_time
from storage.compaction import compact
from storage.layout import generation_key, marker_key
from storage.markers import read_marker
from storage.objects import MissingObject, TendedStore, open_store
from storage.reader import live_parts
from storage.schema import TABLES
from storage.sealing import seal
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.s3_server import S3Place, S3Server
from tests.storage.faulty_stores import Crash, InterruptedStore, MortalStore
from tests.storage.published_runs import publish, seen
from tests.storage.trees import STAMP, labelling, sample_tree, work_item

LATER = 2 * GRACE_S
# seconds after which everything is old
PARTS = len(TABLES) + 1
# of one item: one of each table, two of labels
NEW = work_item(7)


@pytest.fixture
def store(published_root: str) -> TendedStore:
    return open_store(published_root)


def now(store: TendedStore) -> float:
    """The store's time, a while later."""
    return store_time(store) + LATER


def part_keys(store: TendedStore) -> set[str]:
    return {info.key for info in store.list("tables/")}


def write_without_marker(store: TendedStore) -> set[str]:
    """The parts of a writer that died before its marker."""
    before = part_keys(store)
    with pytest.raises(Crash):
        ParquetSink(MortalStore(store, PARTS, "before"), STAMP, labelling).write(sample_tree(NEW))
    return part_keys(store) - before


def test_parts_without_a_marker_are_removed_once_they_are_old_and_nothing_else_is(store: TendedStore) -> None:
    before, sound = seen(store), part_keys(store)
    orphans = write_without_marker(store)
    found = collect_garbage(store, now=now(store))
    assert {part.key for part in found.parts} == orphans
    assert found.num_bytes == sum(part.size for part in found.parts) > 0
    assert part_keys(store) == sound
    assert seen(store) == before
    assert verify_run(store, "run-1").ok


def test_young_parts_are_left_to_their_writer(store: TendedStore) -> None:
    orphans = write_without_marker(store)
    found = collect_garbage(store, now=store_time(store) + GRACE_S - 3600)
    assert (found.parts, found.kept_young) == ((), len(orphans))
    assert orphans <= part_keys(store)


def test_a_dry_run_reports_the_same_and_removes_nothing(store: TendedStore) -> None:
    write_without_marker(store)
    (Path(store.uri("runs")) / ".writing-left").write_bytes(b"half")
    time = now(store)
    before = part_keys(store)
    told = collect_garbage(store, now=time, dry_run=True)
    assert part_keys(store) == before
    assert len(list(store.unfinished("runs/"))) == 1
    assert collect_garbage(store, now=time) == told
    assert part_keys(store) < before


def test_a_grace_that_a_writer_could_outlast_is_refused(store: TendedStore) -> None:
    with pytest.raises(UsageError, match=r"at least 1800 s, got 60 s: a writer may take 900 s"):
        collect_garbage(store, now=now(store), grace_s=60)
    collect_garbage(store, now=now(store), grace_s=LEAST_GRACE_S)


def test_what_dead_writers_left_half_written_is_removed_once_it_is_old(store: TendedStore) -> None:
    left = [Path(store.uri(folder)) / ".writing-left" for folder in ("runs", "tables")]
    for path in left:
        path.write_bytes(b"half")
    young = Path(store.uri("tables")) / ".writing-now"
    young.write_bytes(b"half")
    os.utime(young, (store_time(store) + LATER,) * 2)
    found = collect_garbage(store, now=now(store))
    assert {write.token for write in found.unfinished} == set(map(str, left))
    assert [write.token for write in store.unfinished("")] == [str(young)]


@pytest.mark.s3
def test_uploads_that_were_abandoned_in_our_folders_are_aborted_and_no_others(
    s3_place: S3Place, s3_server: S3Server
) -> None:
    store = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    publish(store, items=range(1))
    client = boto3.client("s3", endpoint_url=s3_place.endpoint_url)
    prefix = s3_place.root.removeprefix(f"s3://{s3_server.bucket}/")
    for name in ("tables/x", "elsewhere"):
        client.create_multipart_upload(Bucket=s3_server.bucket, Key=f"{prefix}/{name}")
    assert collect_garbage(store, now=store_time(store)).unfinished == ()
    found = collect_garbage(store, now=now(store))
    assert [upload.key for upload in found.unfinished] == ["tables/x"]
    assert [upload.key for upload in store.unfinished("")] == ["elsewhere"]
    assert verify_run(store, "run-1").rows["episodes"] == 6


# -- what a compaction superseded -------------------------------------------------------------------------------------


def test_what_a_generation_superseded_is_kept_until_the_generation_is_old(store: TendedStore) -> None:
    own = part_keys(store)
    for key in own:
        # the parts are old when they are compacted
        os.utime(store.uri(key), (store_time(store) - LATER,) * 2)
    compact(store, "run-1")
    before = seen(store)
    assert collect_garbage(store, now=store_time(store)).parts == ()
    found = collect_garbage(store, now=now(store))
    assert {part.key for part in found.parts} == own
    assert seen(store) == before
    assert verify_run(store, "run-1").ok


def test_the_parts_of_a_superseded_generation_are_removed_and_those_of_the_newest_stay(store: TendedStore) -> None:
    compact(store, "run-1")
    first = {part.key for table in TABLES for part in live_parts(store, "run-1", table)}
    publish(store, items=range(5, 8), planned=5)
    compact(store, "run-1")
    before = seen(store)
    gone = {part.key for part in collect_garbage(store, now=now(store)).parts}
    assert first <= gone
    assert part_keys(store) == {part.key for table in TABLES for part in live_parts(store, "run-1", table)}
    assert seen(store) == before


def test_the_parts_of_a_compaction_that_was_overtaken_or_died_are_removed(store: TendedStore) -> None:
    with pytest.raises(Crash):
        compact(MortalStore(store, PARTS, "before"), "run-1")
    died = {key for key in part_keys(store) if "/compacted-" in key}
    assert len(died) == PARTS
    assert {part.key for part in collect_garbage(store, now=now(store)).parts} == died


# -- races ------------------------------------------------------------------------------------------------------------


def _written_again(store: TendedStore) -> None:
    """A new attempt has the same rows: the same parts, then its marker."""
    ParquetSink(store, STAMP, labelling).write(sample_tree(NEW))


def _marker_appears(store: TendedStore) -> None:
    """A writer that slept for a day between its parts and its marker wakes."""
    marker = marker_key("run-1", NEW.item_id)
    store.put(marker, _twin(store).get(marker))


def _late_writer_ends(store: TendedStore) -> None:
    """It was later than the deadline, so it puts its parts again."""
    _marker_appears(store)
    twin = _twin(store)
    for info in twin.list("tables/"):
        store.put(info.key, twin.get(info.key))


def _compacted_again(store: TendedStore) -> None:
    compact(store, "run-1")


def _twin(store: TendedStore) -> TendedStore:
    """Where the new item was published without any trouble."""
    twin = open_store(store.uri("twin"))
    publish(twin, items=range(7, 8))
    return twin


def _collect_while(store: TendedStore, others: Callable[[TendedStore], None], *, moment: int) -> None:
    """Leave old garbage, collect it, and let others act right before the collector's listing of that number."""
    write_without_marker(store)
    with pytest.raises(Crash):
        compact(MortalStore(store, PARTS, "before"), "run-1")
    for key in part_keys(store):
        os.utime(store.uri(key), (store_time(store) - LATER,) * 2)
    listings = 0

    def act(doing: str, key: str) -> None:
        nonlocal listings
        if doing == "list":
            if listings == moment:
                others(store)
            listings += 1

    collect_garbage(InterruptedStore(store, act), now=store_time(store))


def _assert_whole(store: TendedStore) -> None:
    published = {part.key for table in TABLES for part in live_parts(store, "run-1", table)}
    assert published <= part_keys(store)
    assert not [problem for problem in verify_run(store, "run-1").problems if "never planned" not in problem]


@pytest.mark.parametrize("others", [_written_again, _late_writer_ends, _compacted_again])
@pytest.mark.parametrize("moment", range(0, 13, 2))
def test_whatever_is_published_while_garbage_is_collected_keeps_its_parts(
    store: TendedStore, others: Callable[[TendedStore], None], moment: int
) -> None:
    _collect_while(store, others, moment=moment)
    _assert_whole(store)


@pytest.mark.parametrize("moment", range(7))
def test_a_marker_that_appears_before_its_parts_turn_keeps_them(store: TendedStore, moment: int) -> None:
    _collect_while(store, _marker_appears, moment=moment)
    _assert_whole(store)


def test_a_marker_that_appears_once_its_parts_are_going_needs_its_writer_to_put_them_again(store: TendedStore) -> None:
    _collect_while(store, _marker_appears, moment=9)
    assert any("is missing though a marker publishes it" in problem for problem in verify_run(store, "run-1").problems)
    _late_writer_ends(store)
    _assert_whole(store)


# -- when it cannot be told what is wanted ----------------------------------------------------------------------------


@pytest.mark.parametrize("damaged", [marker_key("run-1", NEW.item_id), generation_key("run-1", 1)])
def test_a_marker_or_generation_that_cannot_be_read_stops_everything(store: TendedStore, damaged: str) -> None:
    write_without_marker(store)
    store.put(damaged, b"{")
    before = part_keys(store)
    with pytest.raises(DataError, match=f"{damaged} is corrupted"):
        collect_garbage(store, now=now(store))
    assert part_keys(store) == before


def test_what_is_not_named_as_a_part_of_ours_is_never_touched(store: TendedStore) -> None:
    foreign = [
        "tables/notes.txt",
        "tables/steps/x.parquet",
        "tables/unknown/run=run-1/x.parquet",
        "tables/steps/run=a b/x.parquet",
    ]
    for key in foreign:
        store.put(key, b"mine")
    assert collect_garbage(store, now=now(store)).parts == ()
    assert set(foreign) <= part_keys(store)


def test_the_parts_of_a_run_that_was_deleted_are_removed(store: TendedStore) -> None:
    publish(store, items=range(2), run_id="kept")
    for info in list(store.list("runs/run-1/")):
        store.delete(info.key)
    collect_garbage(store, now=now(store))
    assert {key.split("/")[4] for key in part_keys(store)} == {"run=kept"}
    with pytest.raises(MissingObject):
        read_marker(store, "run-1", work_item().item_id)


def test_sealed_runs_are_collected_like_others(store: TendedStore) -> None:
    seal(store, "run-1", at_least=1)
    sound, orphans = part_keys(store), write_without_marker(store)
    assert {part.key for part in collect_garbage(store, now=now(store)).parts} == orphans
    assert part_keys(store) == sound


def test_asking_for_the_time_leaves_nothing_behind(store: TendedStore) -> None:
    before = {info.key for info in store.list("")}
    assert store_time(store) <= store_time(store)
    assert {info.key for info in store.list("")} == before
