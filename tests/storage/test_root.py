"""A root is ours, new, or refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollouts.errors import DataError, UsageError
from storage.objects import ObjectStore, open_store
from storage.root import check_root, claim_root
from tests.s3_server import S3Place, S3Server
from tests.storage.published_runs import publish


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(str(tmp_path))


def keys(store: ObjectStore) -> set[str]:
    return {info.key for info in store.list("")}


def test_a_new_root_is_marked_once(store: ObjectStore) -> None:
    assert not check_root(store)
    assert keys(store) == set()
    claim_root(store)
    claim_root(store)
    assert check_root(store)
    assert keys(store) == {"treeroll.json"}


def test_a_root_with_runs_from_before_there_were_marks_is_ours(store: ObjectStore) -> None:
    publish(store, items=range(1))
    claim_root(store)
    assert check_root(store)


def test_files_of_others_beside_ours_do_no_harm(store: ObjectStore) -> None:
    for key in ("README.md", "datasets/x/data.parquet", "models/runs/1.bin"):
        store.put(key, b"theirs")
    claim_root(store)
    assert check_root(store)


@pytest.mark.parametrize(
    "key",
    ["runs/events.out.tfevents.1", "runs/exp1/weights/best.pt", "tables/users.csv", "tables/users/part-0.parquet"],
)
def test_another_projects_files_where_ours_would_be_are_named_and_nothing_is_written(
    store: ObjectStore, key: str
) -> None:
    store.put(key, b"theirs")
    with pytest.raises(UsageError, match=f"{key} is not treeroll's.*choose another storage root.*Nothing was written"):
        claim_root(store)
    assert keys(store) == {key}


@pytest.mark.parametrize(
    "mark", [b"", b"{}", b"[]", b'{"format": "other", "schema_version": 1}', b'{"schema_version": "x"}']
)
def test_a_mark_of_somebody_else_is_refused(store: ObjectStore, mark: bytes) -> None:
    store.put("treeroll.json", mark)
    with pytest.raises(UsageError, match=r"treeroll\.json is not a mark that treeroll made"):
        claim_root(store)
    assert store.get("treeroll.json") == mark


def test_a_root_of_a_newer_schema_is_refused_by_name(store: ObjectStore) -> None:
    store.put("treeroll.json", b'{"format": "treeroll", "schema_version": 2}')
    with pytest.raises(DataError, match=r"treeroll\.json has schema version 2; this treeroll reads and writes 1"):
        claim_root(store)
    assert keys(store) == {"treeroll.json"}


@pytest.mark.s3
def test_credentials_that_may_not_write_are_told_so_and_nothing_is_written(
    s3_place: S3Place, s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.reader_environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(s3_place.root, endpoint_url=s3_place.endpoint_url)
    with pytest.raises(UsageError, match=r"may not write test-\d+/treeroll\.json there"):
        claim_root(store)
    assert keys(store) == set()
