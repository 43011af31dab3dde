"""Compaction changes where rows lie and nothing else; readers see before or after."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from rollouts.errors import DataError
from storage.compaction import TARGET_BYTES, compact
from storage.generations import Generation, create_generation, latest_generation
from storage.item_rows import ItemRows
from storage.layout import generation_key, marker_key
from storage.markers import read_marker
from storage.objects import TendedStore, open_store
from storage.parts import read_part, read_rows
from storage.reader import conversation, live_parts, scan
from storage.schema import TABLES
from storage.verify import verify_run
from tests.storage.faulty_stores import InterruptedStore, WatchedStore
from tests.storage.published_runs import publish, seen
from tests.storage.trees import work_item

ITEM = work_item().item_id
FOLDERS = len(TABLES) + 1
# partitions of one domain: one of each table, two of labels


@pytest.fixture
def root(published_root: str) -> str:
    return published_root


@pytest.fixture
def store(root: str) -> TendedStore:
    return open_store(root)


def test_many_small_parts_become_one_for_each_partition_with_the_same_rows(store: TendedStore) -> None:
    before = seen(store)
    report = compact(store, "run-1")
    assert (report.created, report.generation, report.parts_before, report.parts_after) == (
        True,
        1,
        5 * FOLDERS,
        FOLDERS,
    )
    assert report.bytes_after < report.bytes_before
    assert seen(store) == before
    assert {table: len(live_parts(store, "run-1", table)) for table in TABLES} == {
        table: 2 if table == "labels" else 1 for table in TABLES
    }


def test_a_compacted_run_verifies_with_the_same_content_hash(store: TendedStore) -> None:
    before = verify_run(store, "run-1")
    compact(store, "run-1")
    assert before.ok
    assert verify_run(store, "run-1") == before


def test_rows_are_sorted_by_item_and_those_of_an_item_keep_their_order(store: TendedStore) -> None:
    own = {index: read_rows(store, live_parts(store, "run-1", "steps")[index]) for index in range(5)}
    publish(store, items=range(5, 8), planned=5)
    compact(store, "run-1")
    (part,) = live_parts(store, "run-1", "steps")
    rows = read_rows(store, part)
    items = [row["item_id"] for row in rows]
    assert items == sorted(items)
    for kept in own.values():
        assert [row for row in rows if row["item_id"] == kept[0]["item_id"]] == kept


def test_what_is_published_later_counts_beside_it_and_is_taken_the_next_time(store: TendedStore) -> None:
    compact(store, "run-1")
    publish(store, items=range(5, 8), planned=5)
    between = seen(store)
    assert len(live_parts(store, "run-1", "steps")) == 4
    assert compact(store, "run-1").generation == 2
    assert seen(store) == between
    assert len(live_parts(store, "run-1", "steps")) == 1


def test_nothing_to_gain_changes_nothing(store: TendedStore) -> None:
    compact(store, "run-1")
    watched = WatchedStore(store)
    report = compact(watched, "run-1")
    assert (report.created, report.overtaken, report.generation) == (False, False, 1)
    assert watched.puts == []


def test_a_small_target_gives_several_parts_and_never_cuts_an_item(store: TendedStore) -> None:
    before = seen(store)
    sizes = [part.num_bytes for part in live_parts(store, "run-1", "steps")]
    compact(store, "run-1", target_bytes=3 * max(sizes))
    generation = latest_generation(store, "run-1")
    steps = [shelf for shelf in generation.shelves if shelf.part.table == "steps"]
    for shelf in steps:
        items = {row["item_id"] for row in read_rows(store, shelf.part)}
        assert (min(items), max(items)) == (shelf.first_item, shelf.last_item)
    assert sum(len({row["item_id"] for row in read_rows(store, shelf.part)}) for shelf in steps) == 5
    assert seen(store) == before
    assert verify_run(store, "run-1").ok


def test_large_parts_stay_as_they_are(store: TendedStore) -> None:
    before = live_parts(store, "run-1", "steps")
    report = compact(store, "run-1", target_bytes=1)
    assert (report.created, report.parts_after) == (False, 5 * FOLDERS)
    assert live_parts(store, "run-1", "steps") == before


def test_a_compaction_is_a_function_of_the_rows(store: TendedStore, tmp_path: Path) -> None:
    other = open_store(str(tmp_path / "other"))
    publish(other, items=range(4, -1, -1), planned=5)
    for each in (store, other):
        compact(each, "run-1")
    assert latest_generation(store, "run-1") == latest_generation(other, "run-1")


def test_domains_stay_apart(store: TendedStore) -> None:
    publish(store, items=range(5, 8), planned=5, domain="airline")
    compact(store, "run-1")
    for part in live_parts(store, "run-1", "episodes"):
        (domain,) = {row["domain"] for row in read_rows(store, part)}
        assert f"/domain={domain}/" in part.key
    assert len(live_parts(store, "run-1", "episodes")) == 2


def test_an_item_is_read_the_same_before_and_after(store: TendedStore, root: str) -> None:
    marker = read_marker(store, "run-1", ITEM)
    before = {table: ItemRows(store, "run-1").read(marker, table) for table in TABLES}
    said = conversation(root, "run-1", "t0.s1.a1.r0.s2.a1.r0", item_id=ITEM)
    compact(store, "run-1")
    for part in marker.parts:
        store.delete(part.key)
    rows = ItemRows(store, "run-1")
    for table in TABLES:
        assert rows.read(marker, table).equals(before[table])
    assert rows.read(marker, "steps", columns=["step"]).equals(before["steps"].select(["step"]))
    assert conversation(root, "run-1", "t0.s1.a1.r0.s2.a1.r0", item_id=ITEM) == said


def test_a_shared_part_that_is_gone_is_a_data_error_that_names_it(store: TendedStore) -> None:
    compact(store, "run-1")
    (part,) = live_parts(store, "run-1", "steps")
    store.delete(part.key)
    with pytest.raises(DataError, match=rf"cannot read the rows of item {ITEM} in .*{part.key}.*treeroll verify"):
        ItemRows(store, "run-1").read(read_marker(store, "run-1", ITEM), "steps")


def test_of_two_compactions_at_once_one_wins_and_the_other_says_so(store: TendedStore) -> None:
    before = seen(store)

    def other(doing: str, _: str) -> None:
        if doing == "put_if_absent":
            # it goes on from the same generation, to parts of its own
            publish(store, items=range(5, 6), planned=5)
            compact(store, "run-1")

    late = compact(InterruptedStore(store, other), "run-1")
    assert (late.created, late.overtaken, late.generation) == (False, True, 0)
    assert latest_generation(store, "run-1").number == 1
    assert len(latest_generation(store, "run-1").items) == 6
    assert set(before.rows["steps"]) < set(seen(store).rows["steps"])


def test_a_reader_sees_one_version_whenever_it_resolves(store: TendedStore) -> None:
    before = seen(store)
    found = []

    def look(doing: str, _: str) -> None:
        if doing != "list":
            found.append(seen(store))

    compact(InterruptedStore(store, look), "run-1")
    assert len(found) == FOLDERS + 1
    assert all(each == before for each in found)


def test_a_reader_that_resolved_before_can_still_read(store: TendedStore, root: str) -> None:
    frame, before = scan(root, "steps"), scan(root, "steps").collect()
    compact(store, "run-1")
    assert frame.collect().equals(before)
    assert scan(root, "steps").collect().sort(pl.all()).equals(before.sort(pl.all()))


def test_a_damaged_part_stops_the_compaction_and_nothing_changes(store: TendedStore) -> None:
    part = live_parts(store, "run-1", "values")[2]
    store.put(part.key, store.get(part.key)[:-9])
    with pytest.raises(DataError, match=f"part {part.key} is corrupted: sha256"):
        compact(store, "run-1")
    assert latest_generation(store, "run-1").number == 0


def test_a_part_that_was_collected_before_its_generation_existed_stops_the_compaction(store: TendedStore) -> None:
    made: list[str] = []

    def collect(doing: str, key: str) -> None:
        if doing == "list" and key.endswith("/compacted-") and made:
            store.delete(made[0])
        if doing == "put":
            made.append(key)

    with pytest.raises(DataError, match="was removed before compaction ended; nothing was changed"):
        compact(InterruptedStore(store, collect), "run-1")
    assert latest_generation(store, "run-1").number == 0
    assert seen(store).rows["steps"]


# -- damage -----------------------------------------------------------------------------------------------------------


def test_a_flipped_bit_in_a_shared_part_is_named(store: TendedStore) -> None:
    compact(store, "run-1")
    (part,) = live_parts(store, "run-1", "steps")
    data = bytearray(store.get(part.key))
    data[len(data) // 2] ^= 1
    store.put(part.key, bytes(data))
    (problem,) = verify_run(store, "run-1").problems
    assert problem.startswith(f"part {part.key} is corrupted: sha256 should be {part.sha256}")


@pytest.mark.parametrize("damage", [b"", b"{", b'{"schema_version": 1}', b"[1]"])
def test_a_damaged_generation_is_named_and_no_older_one_is_believed(store: TendedStore, damage: bytes) -> None:
    compact(store, "run-1")
    key = generation_key("run-1", 2)
    store.put(key, damage)
    with pytest.raises(DataError, match=f"generation {key} is corrupted .*restore it from a copy"):
        live_parts(store, "run-1", "steps")
    assert any(problem.startswith(f"generation {key} is corrupted") for problem in verify_run(store, "run-1").problems)


def test_a_generation_of_a_newer_schema_or_another_run_is_refused_by_name(store: TendedStore) -> None:
    compact(store, "run-1")
    key = generation_key("run-1", 1)
    record = json.loads(store.get(key))
    store.put(key, json.dumps(record | {"schema_version": 2, "shelves": "?"}).encode())
    with pytest.raises(DataError, match=f"generation {key} has schema version 2; this treeroll reads 1"):
        live_parts(store, "run-1", "steps")
    store.put(key, json.dumps(record | {"run_id": "run-2"}).encode())
    with pytest.raises(DataError, match="it says it is generation 1 of run run-2"):
        live_parts(store, "run-1", "steps")


def test_verification_finds_rows_that_a_generation_lost_doubled_or_made_up(store: TendedStore) -> None:
    compact(store, "run-1")
    generation = latest_generation(store, "run-1")
    episodes = next(shelf for shelf in generation.shelves if shelf.part.table == "episodes")
    others = tuple(shelf for shelf in generation.shelves if shelf != episodes)
    lost = _problems_of(store, replace(generation, number=2, shelves=others))
    assert any(f"marker {marker_key('run-1', ITEM)} promises 6 rows of episodes, its parts hold 0" in p for p in lost)
    doubled = _problems_of(store, replace(generation, number=3, shelves=(*generation.shelves, episodes)))
    assert any("promises 6 rows of episodes, its parts hold 12" in problem for problem in doubled)
    made_up = _problems_of(store, replace(generation, number=4, items=generation.items - {ITEM}))
    key = generation_key("run-1", 4)
    assert f"generation {key} publishes rows of item {ITEM}, which it does not name" in made_up


def test_verification_misses_the_marker_of_an_item_in_a_generation(store: TendedStore) -> None:
    compact(store, "run-1")
    store.delete(marker_key("run-1", ITEM))
    (first, *_) = verify_run(store, "run-1").problems
    assert re.match(rf"generation .*00000001.json holds item {ITEM}, which has no marker", first)


def test_the_usual_target_is_what_readers_like() -> None:
    assert 64 * 2**20 <= TARGET_BYTES <= 256 * 2**20


def test_shared_parts_have_todays_columns(store: TendedStore) -> None:
    own = read_part(store, live_parts(store, "run-1", "steps")[0])
    compact(store, "run-1")
    shared = read_part(store, live_parts(store, "run-1", "steps")[0])
    assert shared.schema.equals(own.schema, check_metadata=True)


def _problems_of(store: TendedStore, generation: Generation) -> tuple[str, ...]:
    assert create_generation(store, generation)
    return verify_run(store, "run-1").problems
