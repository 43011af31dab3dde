"""A process that journals one answer after another until it is killed: `python -m tests.storage.journal_writer ROOT`."""

from __future__ import annotations

import asyncio
import itertools
import sys
import time

from rollouts.episode import Draft
from storage.journal import JournalSettings, StoredJournal
from storage.objects import open_store

RUN_ID = "run-1"
NUM_ITEMS = 3


def item_and_place(number: int) -> tuple[str, str]:
    return f"item-{number % NUM_ITEMS}", f"t0/{number}/actor/0"


async def main(root: str) -> None:
    settings = JournalSettings(flush_interval_s=0.02)
    journal = StoredJournal(
        open_store(root), run_id=RUN_ID, writer_id="doomed", clock=time.monotonic, settings=settings
    )
    for number in itertools.count():
        journal.append(*item_and_place(number), Draft(text=f"answer {number}"))
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
