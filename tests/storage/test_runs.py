from __future__ import annotations

from pathlib import Path

import pytest

from rollouts.episode import Failure
from rollouts.errors import DataError, FailureKind, UsageError
from storage.layout import failure_key, run_key
from storage.objects import ObjectStore, open_store
from storage.runs import create_run, list_runs, read_failures, read_run, record_failure
from storage.writer import ParquetSink
from tests.storage.trees import STAMP, TOOL, labelling, run_record, sample_tree, work_item

FAILURE = Failure(kind=FailureKind.RATE_LIMIT, message="429 for an hour \ud83d", fatal=True)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


def test_a_record_comes_back_as_it_went(store: ObjectStore) -> None:
    assert create_run(store, run_record(2))
    assert read_run(store, "run-1") == run_record(2)
    assert read_run(store, "run-1").briefing("retail").tools == (TOOL,)


def test_creating_a_run_again_from_another_machine_is_no_conflict(store: ObjectStore) -> None:
    create_run(store, run_record(2))
    assert not create_run(store, run_record(2, created_by={"python": "3.12"}))
    assert read_run(store, "run-1").created_by == {"python": "3.11"}


def test_another_configuration_under_the_same_id_is_refused_and_what_differs_is_named(store: ObjectStore) -> None:
    create_run(store, run_record(2))
    other = run_record(3, config={"run": {"seed": 7, "workers": 2}, "branching": {"policy": "every_step", "width": 3}})
    with pytest.raises(UsageError, match=r"these differ: config\.branching\.width, config\.run\.workers, items\."):
        create_run(store, other)
    assert read_run(store, "run-1") == run_record(2)


def test_an_unknown_run_is_answered_with_those_there_are(store: ObjectStore) -> None:
    create_run(store, run_record(1, run_id="b"))
    create_run(store, run_record(1, run_id="a"))
    record_failure(store, "no-record", work_item().item_id, FAILURE)
    assert list_runs(store) == ["a", "b"]
    with pytest.raises(UsageError, match=r"no run 'c' at .*runs there: a, b"):
        read_run(store, "c")


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".a", "a b", "x" * 101])
def test_an_id_that_cannot_be_a_folder_is_refused(store: ObjectStore, run_id: str) -> None:
    with pytest.raises(UsageError, match="a run id is"):
        create_run(store, run_record(1, run_id=run_id))


def test_a_domain_that_was_not_played_has_no_briefing() -> None:
    with pytest.raises(DataError, match="no briefing of domain 'airline'; it holds retail"):
        run_record(1).briefing("airline")


def test_a_failure_stands_until_the_item_is_settled(store: ObjectStore) -> None:
    item_id = work_item().item_id
    record_failure(store, "run-1", item_id, Failure(kind=FailureKind.TIMEOUT, message="first"))
    record_failure(store, "run-1", item_id, FAILURE)
    cleaned = Failure(kind=FailureKind.RATE_LIMIT, message="429 for an hour \ufffd", fatal=True)
    assert read_failures(store, "run-1") == {item_id: cleaned}
    ParquetSink(store, STAMP, labelling).write(sample_tree())
    assert read_failures(store, "run-1") == {}


def test_corrupted_records_are_named(store: ObjectStore) -> None:
    store.put(run_key("run-1"), b"{")
    with pytest.raises(DataError, match=r"run record runs/run-1/run\.json is corrupted"):
        read_run(store, "run-1")
    store.put(failure_key("run-1", "x"), b'{"kind": "unheard of"}')
    with pytest.raises(DataError, match=r"failure record runs/run-1/failures/x\.json is corrupted"):
        read_failures(store, "run-1")
