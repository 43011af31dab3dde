"""A clock that leaps, as when a machine sleeps: an outage then counts as a long one, and what was paid for is still there."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from rollouts.errors import DataError
from rollouts.protocols import NoJournal, Publish
from rollouts.receipt import Paused, PoolEvent, Receipt, Settled
from rollouts.tree import Tree
from rollouts.worker import PUBLISHERS
from storage.journal_sweep import sweep_journal
from storage.objects import ObjectStore, open_store
from tests.storage.paid_sessions import ITEM, OUTAGE_S, RUN_ID, PaidActor, journal_of, paid_worker, session
from tests.toy import CountingSink

A_NIGHT_S = 8 * 3600.0


@dataclass(slots=True)
class SleepyStore:
    """The machine sleeps while a tree is published, and wakes without its network."""

    now: float = 0.0
    attempts: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def prepare(self, tree: Tree) -> Publish:
        def publish() -> Receipt:
            self.attempts.append(tree.item.item_id)
            self.now += A_NIGHT_S
            raise DataError("no route to the bucket")

        return publish


async def _sleepy_session(store: ObjectStore) -> tuple[PoolEvent, int, int]:
    actor, sleepy = PaidActor(patience=0), SleepyStore()
    worker = paid_worker(actor, sink=sleepy, journal=journal_of(store, "a"), clock=sleepy.clock)
    event = await worker.run(ITEM)
    await worker.close()
    return event, actor.asked, len(sleepy.attempts)


async def test_a_night_between_two_looks_at_the_clock_pauses_the_item_and_loses_no_answer(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    event, asked, attempts = await _sleepy_session(store)
    assert event == Paused(item_id=ITEM.item_id, reason="no route to the bucket")
    assert attempts == 1
    assert sweep_journal(store, RUN_ID, unsettled=[ITEM.item_id]).items[ITEM.item_id].num_answers == asked
    _, asked_again, [tree] = await session(journal_of(store, "b"), again=True)
    assert (asked_again, tree.item) == (0, ITEM)


class SlowStore(CountingSink):
    """Each tree takes it most of an outage's patience; the last one fails once."""

    def __init__(self, trees: int) -> None:
        self.now = 0.0
        self._left = trees
        self._writing = self.most_writing = 0
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def write(self, tree: Tree) -> Receipt:
        with self._lock:
            self._left -= 1
            self._writing += 1
            self.most_writing = max(self.most_writing, self._writing)
            is_last = self._left == 0
            self.now += 0.0 if is_last else 0.9 * OUTAGE_S
        time.sleep(0.05)
        with self._lock:
            self._writing -= 1
        if is_last:
            raise DataError("no route to the bucket")
        return super().write(tree)


async def test_waiting_for_other_trees_to_be_published_is_no_outage() -> None:
    trees = 3 * PUBLISHERS
    slow = SlowStore(trees)
    worker = paid_worker(PaidActor(patience=0), sink=slow, journal=NoJournal(), clock=slow.clock)
    events = await asyncio.gather(*(worker.run(replace(ITEM, item_id=f"{index:032x}")) for index in range(trees)))
    await worker.close()
    assert all(isinstance(event, Settled) for event in events)
    assert slow.now > 2 * OUTAGE_S
    assert slow.most_writing == PUBLISHERS
