"""A clock that leaps, as when a machine sleeps: an outage then counts as a long one, and what was paid for is still there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from rollouts.errors import DataError
from rollouts.receipt import Paused, PoolEvent, Receipt
from rollouts.tree import Tree
from storage.journal_sweep import sweep_journal
from storage.objects import ObjectStore, open_store
from tests.storage.paid_sessions import ITEM, RUN_ID, PaidActor, journal_of, paid_worker, session

A_NIGHT_S = 8 * 3600.0


@dataclass(slots=True)
class SleepyStore:
    """The machine sleeps while a tree is published, and wakes without its network."""

    now: float = 0.0
    attempts: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def write(self, tree: Tree) -> Receipt:
        self.attempts.append(tree.item.item_id)
        self.now += A_NIGHT_S
        raise DataError("no route to the bucket")


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
