"""The stored journal: when it writes, what it keeps, and what it recalls."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rollouts.episode import Draft
from rollouts.errors import DataError
from storage.journal import StoredJournal
from storage.journal_book import SegmentBook
from storage.journal_files import segment_keys
from storage.journal_segments import pack_block
from storage.journal_sweep import sweep_journal
from storage.layout import segment_key
from storage.objects import ObjectStore, open_store
from tests.conformance.journal import recalled
from tests.storage.counted_store import CountedStore
from tests.storage.faulty_stores import Crash
from tests.storage.journal_writer import RUN_ID
from tests.storage.journals import HASTY, PATIENT, fill, journal_of, until


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


def stored_bytes(store: ObjectStore) -> int:
    return sum(info.size for info in store.list(""))


# -- writing ----------------------------------------------------------------------------------------------------------


async def test_what_was_appended_is_written_without_being_asked_for(store: ObjectStore) -> None:
    journal = journal_of(store, settings=HASTY)
    fill(journal, "item", steps=range(3))
    await until(lambda: bool(segment_keys(store, RUN_ID)))
    assert len(await recalled(journal_of(store, "other"), "item")) == 3


async def test_much_is_written_before_the_interval_is_over(store: ObjectStore) -> None:
    journal = journal_of(store, settings=replace(PATIENT, flush_bytes=10_000))
    fill(journal, "item", steps=range(5), text="x" * 3000)
    await until(lambda: bool(segment_keys(store, RUN_ID)))
    await journal.close()


async def test_a_segment_is_never_written_twice_with_other_bytes(store: ObjectStore) -> None:
    written: dict[str, set[bytes]] = {}

    def after(operation: str, key: str, number: int) -> None:
        if operation == "put":
            written.setdefault(key, set()).add(store.get(key))
            if number % 2 == 0:
                raise DataError("the acknowledgement was lost")

    journal = journal_of(CountedStore(store, after=after))
    failures = 0
    for step in range(20):
        fill(journal, "item", steps=range(step, step + 1))
        try:
            await journal.flush()
        except DataError:
            failures += 1
    assert failures >= 5
    await journal.flush()
    assert all(len(contents) == 1 for contents in written.values())
    assert len(await recalled(journal_of(store, "other"), "item")) == 20


async def test_nothing_is_written_of_an_item_that_settled_first(store: ObjectStore) -> None:
    journal = journal_of(store)
    fill(journal, "item", steps=range(3))
    journal.settled("item")
    await journal.close()
    assert segment_keys(store, RUN_ID) == []


@pytest.mark.parametrize("writer_id", ["", "0", "../w", "a/b", "a" * 101, "-w"])
def test_a_writer_id_that_could_not_be_a_folder_of_its_own_is_refused(store: ObjectStore, writer_id: str) -> None:
    with pytest.raises(ValueError, match="a writer id is"):
        journal_of(store, writer_id)


# -- keeping ----------------------------------------------------------------------------------------------------------


async def test_segments_whose_items_are_settled_are_deleted_in_the_background(store: ObjectStore) -> None:
    journal = journal_of(store, settings=HASTY)
    fill(journal, "item", steps=range(3))
    await journal.flush()
    assert len(segment_keys(store, RUN_ID)) == 1
    journal.settled("item")
    await until(lambda: segment_keys(store, RUN_ID) == [])
    await journal.close()


async def test_an_item_that_settles_while_it_is_written_leaves_nothing_behind(store: ObjectStore) -> None:
    journal: StoredJournal
    settle_first = [True]

    def before(operation: str, key: str, number: int) -> None:
        if operation == "put" and settle_first.pop():
            loop.call_soon_threadsafe(journal.settled, "item")

    loop = asyncio.get_running_loop()
    journal = journal_of(CountedStore(store, before=before))
    fill(journal, "item", steps=range(3))
    await journal.flush()
    await journal.close()
    assert segment_keys(store, RUN_ID) == []


async def test_the_journal_stays_within_twice_its_live_items(store: ObjectStore) -> None:
    slack, max_segments = 2_000, 5
    book = SegmentBook(slack_bytes=slack, max_segments=max_segments, merged_bytes=8_000)
    journal = journal_of(store, book=book)
    chance = random.Random(5)
    live: dict[str, int] = {"straggler": 0}
    for number in range(150):
        live.setdefault(f"item-{number}", 0)
        for item_id in [*chance.sample(sorted(live), k=min(4, len(live))), "straggler"]:
            fill(journal, item_id, steps=range(live[item_id], live[item_id] + 1), text=chance.randbytes(100).hex())
            live[item_id] += 1
        for item_id in chance.sample(sorted(live.keys() - {"straggler"}), k=max(0, len(live) - 5)):
            del live[item_id]
            journal.settled(item_id)
        await journal.flush()
        await journal.tidy()
        assert stored_bytes(store) == book.num_bytes <= 2 * book.num_live_bytes + slack
        # every segment but the last of a merge is at least half full
        assert len(segment_keys(store, RUN_ID)) <= max_segments + 2 + 2 * stored_bytes(store) / 8_000
    await journal.close()
    other = journal_of(store, "other")
    assert {item_id: len(await recalled(other, item_id)) for item_id in live} == live


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_point_of_merging_loses_no_live_answer(tmp_path: Path, when: str) -> None:
    async def merge(root: Path, crash_at: int | None) -> tuple[int, dict[str, int]]:
        """Operations made, and the answers that are recalled afterwards."""
        store = open_store(str(root))

        def crash(operation: str, key: str, number: int) -> None:
            if number == crash_at:
                raise Crash

        counted = CountedStore(store)
        journal = journal_of(counted, book=SegmentBook(slack_bytes=0, merged_bytes=200))
        for start in range(0, 9, 3):
            for item_id in ("open", "also-open", "done"):
                text = random.Random(start).randbytes(300).hex() if item_id == "done" else ""
                fill(journal, item_id, steps=range(start, start + 3), text=text)
            await journal.flush()
        journal.settled("done")
        counted.count = 0
        setattr(counted, when, crash)
        try:
            await journal.tidy()
        except Crash:
            assert crash_at is not None
        other = journal_of(store, "other")
        return counted.count, {item_id: len(await recalled(other, item_id)) for item_id in ("open", "also-open")}

    total, whole = await merge(tmp_path / "whole", None)
    assert whole == {"open": 9, "also-open": 9}
    assert total >= 8
    for crash_at in range(total):
        assert (await merge(tmp_path / f"{crash_at}", crash_at))[1] == whole


async def test_a_failed_deletion_is_made_up_for_later_and_copies_nothing_again(store: ObjectStore) -> None:
    failing = [True, True]

    def before(operation: str, key: str, number: int) -> None:
        if operation == "delete" and failing and failing.pop():
            raise DataError("busy")

    journal = journal_of(CountedStore(store, before=before), book=SegmentBook(slack_bytes=0))
    fill(journal, "open", steps=range(1))
    fill(journal, "done", steps=range(9))
    await journal.flush()
    journal.settled("done")
    for _ in range(2):
        with pytest.raises(DataError, match="busy"):
            await journal.tidy()
        assert len(segment_keys(store, RUN_ID)) == 2
    await journal.tidy()
    assert len(segment_keys(store, RUN_ID)) == 1
    assert len(await recalled(journal_of(store, "other"), "open")) == 1


# -- recalling --------------------------------------------------------------------------------------------------------


async def test_of_two_answers_at_one_place_everybody_is_told_the_same(store: ObjectStore) -> None:
    wanted = {"t0/0/actor/0": Draft(text="of a")}
    journals = {writer_id: journal_of(store, writer_id) for writer_id in ("b", "a", "c")}
    for writer_id, journal in journals.items():
        journal.append("item", "t0/0/actor/0", Draft(text=f"of {writer_id}"))
    await journals["b"].flush()
    await journals["c"].flush()
    # the answer that counts is still in memory
    assert await recalled(journals["a"], "item") == wanted
    await journals["a"].flush()
    for journal in [*journals.values(), journal_of(store, "new")]:
        assert await recalled(journal, "item") == wanted
    sweep_journal(store, RUN_ID, unsettled=["item"])
    for journal in [*journals.values(), journal_of(store, "new")]:
        assert await recalled(journal, "item") == wanted


async def test_a_segment_is_read_once(store: ObjectStore) -> None:
    writer = journal_of(store, "writer")
    for step in range(3):
        fill(writer, "item", steps=range(step, step + 1))
        await writer.flush()
    gets: list[str] = []
    counted = CountedStore(
        store, before=lambda operation, key, number: gets.append(key) if operation == "get" else None
    )
    reader = journal_of(counted, "reader")
    for item_id in ("item", "item", "other"):
        await recalled(reader, item_id)
    assert len(gets) == len(set(gets)) == 3


async def test_answers_that_move_while_they_are_looked_for_are_found(store: ObjectStore) -> None:
    writer = journal_of(store, "writer")
    fill(writer, "item", steps=range(3))
    await writer.flush()
    moved: list[str] = []

    def before(operation: str, key: str, number: int) -> None:
        if operation == "get" and not moved:
            moved.append(key)
            sweep_journal(store, RUN_ID, unsettled=["item"])

    assert len(await recalled(journal_of(CountedStore(store, before=before), "reader"), "item")) == 3
    assert moved == [segment_key(RUN_ID, "writer", "00000000")]


async def test_damage_is_told_and_what_is_sound_is_recalled(
    store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    writer = journal_of(store, "writer")
    for item_id in ("first", "second", "third"):
        fill(writer, item_id, steps=range(5))
    await writer.close()
    [key] = segment_keys(store, RUN_ID)
    data = bytearray(store.get(key))
    second = pack_block("second", [(f"t0/{step}/actor/0", Draft(text=f"second {step}")) for step in range(5)]).data
    data[bytes(data).index(second) + len(second) // 2] ^= 4
    store.put(key, bytes(data[:-1]))
    reader = journal_of(store, "reader")
    with caplog.at_level(logging.WARNING):
        counts = [len(await recalled(reader, item_id)) for item_id in ("first", "second", "third")]
    assert counts == [5, 0, 0]
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [f"journal segment {key} is damaged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewerDraft(Draft):
    """Of a program that knows more."""

    mood: str


async def test_answers_of_a_form_that_is_not_known_are_told_and_paid_for_again(
    store: ObjectStore, caplog: pytest.LogCaptureFixture
) -> None:
    known = pack_block("item", [("t0/0/actor/0", Draft(text="known"))])
    strange = pack_block("item", [("t0/1/actor/0", NewerDraft(text="strange", mood="calm"))])
    store.put(segment_key(RUN_ID, "writer", "00000000"), strange.data + known.data)
    with caplog.at_level(logging.WARNING):
        assert await recalled(journal_of(store), "item") == {"t0/0/actor/0": Draft(text="known")}
    assert "these 1 calls will be paid for again" in caplog.text
