"""Between sessions: what is kept, what is counted, and a crash at every point."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from rollouts.episode import Draft, PaidReply, Spend, Usage
from rollouts.protocols import Answer, Judgement
from storage.journal import StoredJournal
from storage.journal_files import segment_keys
from storage.journal_segments import pack_block
from storage.journal_sweep import SWEPT, JournalSummary, Remembered, drop_journal, sweep_journal
from storage.layout import journal_prefix, run_key, segment_key
from storage.objects import ObjectStore, open_store
from tests.conformance.journal import recalled
from tests.storage.counted_store import CountedStore
from tests.storage.faulty_stores import Crash

RUN_ID = "run-1"
ITEMS = ("open-1", "open-2", "done")
USAGE = Usage(
    calls=2, prompt_tokens=10, completion_tokens=3, cached_tokens=4, cost_usd=0.5, replies=(PaidReply(model="m"),) * 2
)
PARTS = ("opening", "actor", "draw", "critic", "judge")
SPEND = Spend(
    actor_calls=4,
    user_calls=2,
    critic_calls=2,
    judge_calls=2,
    prompt_tokens=50,
    completion_tokens=15,
    cached_tokens=20,
    cost_usd=2.5,
)


def journal_of(store: ObjectStore, writer_id: str) -> StoredJournal:
    return StoredJournal(store, run_id=RUN_ID, writer_id=writer_id, clock=time.monotonic)


async def play(store: ObjectStore, *, writers: tuple[str, ...] = ("a", "b")) -> None:
    """Every item, part by part, by one writer after the other, each part in a segment of its own."""
    journals = {writer_id: journal_of(store, writer_id) for writer_id in writers}
    for number, part in enumerate(PARTS):
        journal = journals[writers[number % len(writers)]]
        for item_id in ITEMS:
            text = f"{item_id} {part}"
            answer: Answer = Judgement(verdict=None, usage=USAGE) if part == "critic" else Draft(text=text, usage=USAGE)
            journal.append(item_id, f"t0/0/{part}/0", answer)
        await journal.flush()


@pytest.fixture
async def store(tmp_path: Path) -> ObjectStore:
    store = open_store(str(tmp_path))
    store.put(run_key(RUN_ID), b"{}")
    await play(store)
    return store


async def answers(store: ObjectStore) -> dict[str, Mapping[str, Answer]]:
    journal = journal_of(store, "reader")
    return {item_id: await recalled(journal, item_id) for item_id in ITEMS}


def sweep(store: ObjectStore) -> JournalSummary:
    return sweep_journal(store, RUN_ID, unsettled=["open-1", "open-2", "never-played"])


async def test_a_sweep_keeps_and_counts_what_unsettled_items_paid_for(store: ObjectStore) -> None:
    before = await answers(store)
    summary = sweep(store)
    assert summary.items == {item_id: Remembered(num_answers=5, spend=SPEND) for item_id in ("open-1", "open-2")}
    assert summary.spend == SPEND + SPEND
    assert summary.damaged == ()
    assert await answers(store) == {**before, "done": {}}
    [key] = segment_keys(store, RUN_ID)
    assert f"/{SWEPT}/" in key


async def test_an_answer_that_is_there_twice_is_counted_once(store: ObjectStore) -> None:
    [first, *_] = segment_keys(store, RUN_ID)
    store.put(segment_key(RUN_ID, "z", "00000000"), store.get(first))
    other = journal_of(store, "y")
    other.append("open-1", "t0/0/actor/0", Draft(text="another answer", usage=USAGE))
    await other.close()
    assert sweep(store).items["open-1"] == Remembered(num_answers=5, spend=SPEND)


async def test_a_cost_that_is_not_known_makes_the_sum_unknown(store: ObjectStore) -> None:
    journal = journal_of(store, "c")
    journal.append("open-1", "t0/1/actor/0", Draft(text="", usage=Usage(cost_usd=None)))
    await journal.close()
    summary = sweep(store)
    assert summary.items["open-1"].spend.cost_usd is summary.spend.cost_usd is None
    assert summary.items["open-2"].spend.cost_usd == 2.5


async def test_sweeping_again_changes_nothing_and_writes_nothing(store: ObjectStore) -> None:
    summary, keys = sweep(store), segment_keys(store, RUN_ID)
    operations: list[str] = []
    counted = CountedStore(store, before=lambda operation, key, number: operations.append(operation))
    assert sweep(counted) == summary
    assert segment_keys(store, RUN_ID) == keys
    assert set(operations) == {"list", "get"}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_point_loses_nothing_and_the_next_sweep_completes_it(tmp_path: Path, when: str) -> None:
    async def swept(root: Path, crash_at: int | None) -> tuple[int, ObjectStore]:
        store = open_store(str(root))
        await play(store)

        def crash(operation: str, key: str, number: int) -> None:
            if number == crash_at:
                raise Crash

        counted = CountedStore(store, before=crash) if when == "before" else CountedStore(store, after=crash)
        try:
            sweep(counted)
        except Crash:
            assert crash_at is not None
        return counted.count, store

    total, whole = await swept(tmp_path / "whole", None)
    wanted = await answers(whole)
    for crash_at in range(total):
        _, store = await swept(tmp_path / f"{crash_at}", crash_at)
        left = await answers(store)
        assert {item_id: left[item_id] for item_id in ("open-1", "open-2")} == {
            item_id: wanted[item_id] for item_id in ("open-1", "open-2")
        }
        assert sweep(store) == sweep(whole)
        assert segment_keys(store, RUN_ID) == segment_keys(whole, RUN_ID)


async def test_what_a_worker_writes_during_a_sweep_is_kept(store: ObjectStore) -> None:
    key = segment_key(RUN_ID, "late", "00000000")
    written = False

    def before(operation: str, _: str, number: int) -> None:
        nonlocal written
        if operation == "delete" and not written:
            store.put(key, pack_block("open-1", [("t0/9/actor/0", Draft(text="late"))]).data)
            written = True

    sweep(CountedStore(store, before=before))
    assert key in segment_keys(store, RUN_ID)
    assert (await answers(store))["open-1"]["t0/9/actor/0"] == Draft(text="late")


async def test_a_worker_goes_on_after_its_segments_were_swept(store: ObjectStore) -> None:
    journal = journal_of(store, "worker")
    journal.append("open-1", "t0/1/actor/0", Draft(text="1"))
    await journal.flush()
    sweep(store)
    journal.append("open-1", "t0/2/actor/0", Draft(text="2"))
    journal.settled("open-2")
    await journal.close()
    assert (await answers(store))["open-1"].keys() >= {"t0/1/actor/0", "t0/2/actor/0"}


async def test_a_segment_that_is_damaged_stays_until_the_journal_is_dropped(store: ObjectStore) -> None:
    [first, *_] = segment_keys(store, RUN_ID)
    store.put(first, store.get(first)[:-1])
    summary = sweep(store)
    assert summary.damaged == (first,)
    assert first in segment_keys(store, RUN_ID)
    assert sweep(store) == summary
    assert {item.num_answers for item in summary.items.values()} <= {4, 5}


async def test_what_is_kept_is_filed_in_segments_of_limited_size(store: ObjectStore) -> None:
    journal, chance = journal_of(store, "large"), random.Random(3)
    for number in range(5):
        text = chance.randbytes(2_000_000).hex()
        journal.append("open-1", f"t0/{number + 1}/actor/0", Draft(text=text))
        await journal.flush()
    sweep(store)
    sizes = [info.size for info in store.list(journal_prefix(RUN_ID))]
    assert len(sizes) > 1
    assert all(size <= 8 << 20 for size in sizes)
    assert len((await answers(store))["open-1"]) == 10


async def test_dropping_the_journal_leaves_the_rest_of_the_run(store: ObjectStore) -> None:
    drop_journal(store, RUN_ID)
    drop_journal(store, RUN_ID)
    assert segment_keys(store, RUN_ID) == []
    assert store.get(run_key(RUN_ID)) == b"{}"
    assert sweep(store) == JournalSummary(items={}, damaged=())
