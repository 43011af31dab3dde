"""A process that dies before or after any of its changes, on either store: what was published stays whole, a retry completes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from rollouts.errors import DataError
from storage.collect import GRACE_S, collect_garbage, store_time
from storage.compaction import compact
from storage.objects import TendedStore, open_store
from storage.schema import TABLES
from storage.sealing import seal
from storage.verify import VerifyReport, verify_run
from storage.writer import ParquetSink
from tests.needs import REPOSITORY
from tests.s3_server import S3Place
from tests.storage.faulty_stores import Crash, MortalStore
from tests.storage.published_runs import publish
from tests.storage.trees import STAMP, labelling, sample_tree, work_item

ITEMS = 3
# planned; two of them published before anything dies
PARTS = len(TABLES) + 1
# of one item: one of each table, two of labels


@dataclass(frozen=True, slots=True)
class Job:
    """Something that a process may die of."""

    run: Callable[[TendedStore], object]
    changes_rows: bool = False


def write(store: TendedStore) -> None:
    ParquetSink(store, STAMP, labelling).write(sample_tree(work_item(2), duration_s=2.5))


def seal_all(store: TendedStore) -> None:
    seal(store, "run-1", at_least=1)


def compact_run(store: TendedStore) -> None:
    compact(store, "run-1")


def collect(store: TendedStore) -> None:
    collect_garbage(store, now=store_time(store) + 2 * GRACE_S)


JOBS = {
    "write": Job(write, changes_rows=True),
    "seal": Job(seal_all),
    "compact": Job(compact_run),
    "collect": Job(collect),
}


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TendedStore:
    if request.param == "local":
        return open_store(str(tmp_path / "root"))
    place: S3Place = request.getfixturevalue("s3_place")
    return open_store(place.root, endpoint_url=place.endpoint_url)


@pytest.mark.parametrize("name", JOBS)
def test_a_process_may_die_at_any_change(store: TendedStore, name: str) -> None:
    """Each death leaves its traces, and the next process dies one change later, until one ends."""
    job = JOBS[name]
    _prepare(store, name)
    before, deaths = _verified(store), 0
    while _dies(job, store, deaths // 2, when="before" if deaths % 2 == 0 else "after"):
        deaths += 1
        after = _verified(store)
        assert after == before or (job.changes_rows and _is_before_and_item(after, before))
    job.run(store)
    assert (_verified(store) == before) != job.changes_rows
    assert deaths >= 2


def _verified(store: TendedStore) -> VerifyReport:
    """What the run holds, after everything about it was checked; that it is not finished is no problem."""
    report = verify_run(store, "run-1")
    assert [problem for problem in report.problems if "resume the run" not in problem] == []
    return replace(report, problems=(), items_settled=0)


def _prepare(store: TendedStore, name: str) -> None:
    """Published items, and garbage: of writers that died, and for the collector what a compaction superseded."""
    publish(store, items=range(2), planned=ITEMS)
    if name == "collect":
        compact(store, "run-1")
    for survived in (1, 3):
        assert _dies(JOBS["write"], store, survived, when="after")


def _dies(job: Job, store: TendedStore, number: int, *, when: str) -> bool:
    mortal = MortalStore(store, number, "before" if when == "before" else "after")
    try:
        job.run(mortal)
    except (Crash, DataError):
        # threads of the dying process may find the store gone first
        assert mortal.dead
    return mortal.dead


def _is_before_and_item(after: VerifyReport, before: VerifyReport) -> bool:
    """A third item's rows came beside those of two equal ones, in every table at once."""
    return all(after.rows[table] * 2 == before.rows[table] * 3 for table in TABLES)


@pytest.mark.slow
def test_a_process_may_die_at_any_call_that_changes_a_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.storage.dying_writer", str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    deaths = json.loads(ended.stdout)
    # of a part a temporary file is created and renamed; of the marker one is created, linked and removed
    assert deaths["write"] == 2 * PARTS + 3
    assert deaths["compact"] >= 2 * PARTS + 3
    assert deaths["seal"] >= 3
    assert deaths["collect"] >= 2 * PARTS
