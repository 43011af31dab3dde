"""Every journal against the one suite."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from rollouts.protocols import Journal
from storage.journal import StoredJournal
from storage.objects import ObjectStore, open_store
from tests.conformance.journal import JournalSuite, OpenJournal
from tests.conformance.memory_journal import MemoryJournal
from tests.s3_server import S3Place


def stored(store: ObjectStore) -> OpenJournal:
    numbers = itertools.count()

    def open_journal() -> Journal:
        return StoredJournal(store, run_id="run-1", writer_id=f"w{next(numbers)}", clock=time.monotonic)

    return open_journal


class TestMemoryJournal(JournalSuite):
    @pytest.fixture
    def open_journal(self) -> OpenJournal:
        shared = MemoryJournal()
        return lambda: MemoryJournal(shared.answers)


class TestStoredJournalInADirectory(JournalSuite):
    @pytest.fixture
    def open_journal(self, tmp_path: Path) -> OpenJournal:
        return stored(open_store(str(tmp_path)))


@pytest.mark.s3
class TestStoredJournalInABucket(JournalSuite):
    @pytest.fixture
    def open_journal(self, s3_place: S3Place) -> OpenJournal:
        return stored(open_store(s3_place.root, endpoint_url=s3_place.endpoint_url))
