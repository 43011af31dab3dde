"""Stored journals for tests, and answers to fill them with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from rollouts.episode import Draft
from rollouts.protocols import Journal
from storage.journal import JournalSettings, StoredJournal
from storage.journal_book import SegmentBook
from storage.objects import ObjectStore
from tests.storage.journal_writer import RUN_ID

HASTY = JournalSettings(flush_interval_s=0.0)
PATIENT = JournalSettings(flush_interval_s=3600.0)
START_TIMEOUT_S = 60.0


def journal_of(
    store: ObjectStore,
    writer_id: str = "w",
    *,
    settings: JournalSettings = PATIENT,
    clock: Callable[[], float] = time.monotonic,
    book: SegmentBook | None = None,
) -> StoredJournal:
    return StoredJournal(store, run_id=RUN_ID, writer_id=writer_id, clock=clock, settings=settings, book=book)


def fill(journal: Journal, item_id: str, *, steps: range, text: str = "") -> None:
    for step in steps:
        journal.append(item_id, f"t0/{step}/actor/0", Draft(text=text or f"{item_id} {step}"))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(START_TIMEOUT_S):
        while not condition():
            await asyncio.sleep(0.001)
