"""The stored journal while its store fails, and when its process is killed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from rollouts.errors import DataError, UsageError
from storage.journal_files import segment_keys
from storage.objects import ObjectStore, open_store
from tests.conformance.journal import recalled
from tests.needs import REPOSITORY
from tests.storage.counted_store import CountedStore
from tests.storage.journal_writer import NUM_ITEMS, RUN_ID, item_and_place
from tests.storage.journals import HASTY, PATIENT, fill, journal_of, until


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


class Outage:
    """A store that takes no put while `error` is set."""

    def __init__(self, store: ObjectStore) -> None:
        self.error: Exception | None = None
        self.store = CountedStore(store, before=self._before)

    def _before(self, operation: str, key: str, number: int) -> None:
        if operation == "put" and self.error is not None:
            raise self.error


async def test_an_outage_loses_nothing_and_ends_by_itself(store: ObjectStore) -> None:
    outage = Outage(store)
    outage.error = DataError("no answer")
    journal = journal_of(outage.store, settings=HASTY)
    fill(journal, "item", steps=range(3))
    await until(lambda: outage.store.count >= 2)
    fill(journal, "item", steps=range(3, 6))
    assert journal.failed is None
    assert len(await recalled(journal, "item")) == 6
    outage.error = None
    await until(lambda: len(segment_keys(store, RUN_ID)) >= 2)
    await journal.close()
    assert len(await recalled(journal_of(store, "other"), "item")) == 6


async def test_an_outage_that_lasts_is_told_until_it_ends(store: ObjectStore) -> None:
    now = [0.0]
    outage = Outage(store)
    outage.error = DataError("no answer")
    journal = journal_of(outage.store, clock=lambda: now[0])
    fill(journal, "item", steps=range(3))
    now[0] = 1000.0
    assert journal.failed is None
    with pytest.raises(DataError, match="no answer"):
        await journal.flush()
    now[0] = 1059.0
    assert journal.failed is None
    now[0] = 1060.0
    assert "could not be written for 60 s" in str(journal.failed)
    with pytest.raises(DataError, match="no answer"):
        await journal.close()
    outage.error = None
    await journal.close()
    assert journal.failed is None
    assert len(await recalled(journal_of(store, "other"), "item")) == 3


async def test_more_answers_than_memory_may_hold_are_told_at_once(store: ObjectStore) -> None:
    outage = Outage(store)
    outage.error = DataError("no answer")
    journal = journal_of(outage.store, settings=replace(PATIENT, max_buffer_bytes=10_000))
    fill(journal, "item", steps=range(3))
    with pytest.raises(DataError, match="no answer"):
        await journal.flush()
    assert journal.failed is None
    fill(journal, "item", steps=range(3, 6), text="x" * 4000)
    assert isinstance(journal.failed, DataError)


async def test_a_store_that_refuses_is_told_at_once(store: ObjectStore) -> None:
    outage = Outage(store)
    outage.error = UsageError("read only")
    journal = journal_of(outage.store, settings=HASTY)
    fill(journal, "item", steps=range(3))
    await until(lambda: journal.failed is outage.error)
    outage.error = None
    await until(lambda: journal.failed is None)
    await journal.close()


async def test_a_process_that_is_killed_leaves_everything_but_its_last_moments(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    command = [sys.executable, "-m", "tests.storage.journal_writer", str(tmp_path)]
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        await until(lambda: len(segment_keys(store, RUN_ID)) >= 5 or process.poll() is not None)
        flushed = await _places(store, "before")
    finally:
        process.kill()
        process.wait()
    left = await _places(store, "after")
    assert flushed <= left
    # no hole: whatever is there, everything before it is too
    assert left == {item_and_place(number) for number in range(len(left))}
    assert len(left) >= 5


async def _places(store: ObjectStore, reader: str) -> set[tuple[str, str]]:
    journal = journal_of(store, reader)
    items = [f"item-{number}" for number in range(NUM_ITEMS)]
    return {(item_id, place) for item_id in items for place in await recalled(journal, item_id)}
