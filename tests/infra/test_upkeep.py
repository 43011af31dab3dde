from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from infra.store_probe import probe_store
from infra.upkeep import collect, compact_rows, compact_runs, garbage_rows
from rollouts.errors import DataError, UsageError
from storage.objects import TendedStore, open_store
from tests.storage.published_runs import publish


@pytest.fixture
def store(tmp_path: Path) -> TendedStore:
    store = open_store(str(tmp_path))
    publish(store, items=range(2), planned=2)
    publish(store, items=range(1), planned=2, run_id="run-2")
    return store


def test_every_run_of_a_root_is_compacted_or_the_one_that_is_named(store: TendedStore) -> None:
    (only,) = compact_rows(compact_runs(store, run_id="run-1", target_mib=128, root="data"))
    assert only[0] == "run-1"
    assert "parts, " in only[1]
    assert "are now " in only[1]
    assert "`treeroll gc` removes the old ones" in only[1]
    assert only[1].endswith("0 markers sealed, 2 not")
    again = compact_rows(compact_runs(store, run_id=None, target_mib=128, root="data"))
    assert [(run, "nothing to gain" in told) for run, told in again] == [("run-1", True), ("run-2", True)]


def test_a_run_or_a_root_without_any_is_named(store: TendedStore, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run 'x'"):
        compact_runs(store, run_id="x", target_mib=128, root="data")
    with pytest.raises(UsageError, match="no run at data"):
        compact_runs(open_store(str(tmp_path / "empty")), run_id=None, target_mib=128, root="data")


def test_what_is_collected_is_told_in_words(store: TendedStore) -> None:
    compact_runs(store, run_id="run-1", target_mib=128, root="data")
    (path,) = (Path(store.uri(info.key)) for info in store.list("runs/run-1/generations/"))
    before = time.time() - 3 * 86400
    for each in [path, *path.parents[3].rglob("*.parquet")]:
        _make_old(each, before)
    planned = garbage_rows(collect(store, grace_hours=24, dry_run=True), dry_run=True)
    assert "parts would be removed" not in planned[0][1]
    assert "would be removed" in planned[0][1]
    assert planned[2][1].startswith("tables/")
    assert planned[-1][1].startswith("and ")
    done = garbage_rows(collect(store, grace_hours=24, dry_run=False), dry_run=False)
    assert done[0][1] == planned[0][1].replace("would be removed", "removed")
    assert len(done) == 2
    nothing = garbage_rows(collect(store, grace_hours=24, dry_run=False), dry_run=False)
    assert nothing[0][1].startswith("0 removed, 0 B; ")


def test_a_root_of_a_newer_treeroll_is_left_alone(store: TendedStore) -> None:
    store.put("treeroll.json", b'{"format": "treeroll", "schema_version": 99}')
    with pytest.raises(DataError, match="schema version 99"):
        collect(store, grace_hours=24, dry_run=False)
    with pytest.raises(DataError, match="schema version 99"):
        compact_runs(store, run_id=None, target_mib=128, root="data")


def test_the_probe_tells_a_root_that_is_another_projects(tmp_path: Path) -> None:
    foreign = tmp_path / "runs" / "events.out"
    foreign.parent.mkdir()
    foreign.write_bytes(b"theirs")
    assert "events.out is not treeroll's" in probe_store(str(tmp_path))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [foreign]


def _make_old(path: Path, then: float) -> None:
    os.utime(path, (then, then))
