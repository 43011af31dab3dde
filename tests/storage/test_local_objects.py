from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollouts.errors import DataError, UsageError
from storage.objects import open_store
from tests.needs import REPOSITORY

FILL_THE_DISK = """
import resource, sys
from storage.objects import open_store
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # what a full disk or a used-up quota does to a write
open_store(sys.argv[1]).put_if_absent("a/b", bytes(5000))
"""


def test_a_root_that_cannot_be_written_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for root in [tmp_path / "file" / "data", Path("/proc/data")]:
        store = open_store(str(root))
        for put in (store.put, store.put_if_absent):
            with pytest.raises(UsageError, match=f"cannot write under {root}.*choose a storage root"):
                put("a/b", b"1")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
def test_a_root_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match=f"cannot write under {tmp_path}: Permission denied"):
        open_store(str(tmp_path)).put("a/b", b"1")


def test_a_full_disk_is_a_clear_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILL_THE_DISK, str(tmp_path)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert f"DataError: no space to write {tmp_path}/a/b" in ended.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_file_under_way_is_no_object(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put("a/b", b"1")
    (tmp_path / "a" / ".writing-left-by-a-crash").write_bytes(b"half")
    assert [info.key for info in store.list("a")] == ["a/b"]


def test_what_dead_writers_left_can_be_found_and_removed(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put("tables/a/b", b"1")
    for folder in ("tables/a", "runs"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / ".writing-left").write_bytes(b"half")
    (left,) = store.unfinished("tables/")
    assert (left.key, left.token) == ("tables/a/.writing-left", str(tmp_path / "tables/a/.writing-left"))
    store.abandon(left)
    store.abandon(left)
    assert list(store.unfinished("tables/")) == []
    assert [write.key for write in store.unfinished("")] == ["runs/.writing-left"]


def test_an_object_that_vanishes_during_a_listing_is_left_out(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    for key in ("a/1", "a/2", "a/3"):
        store.put(key, b"")
    listing = store.list("a/")
    first = next(listing).key
    for key in {"a/1", "a/2", "a/3"} - {first}:
        store.delete(key)
    assert list(listing) == []


def test_nothing_is_touched_before_the_first_put(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "data"))
    assert list(store.list("")) == []
    assert not (tmp_path / "data").exists()


def test_a_relative_root_means_the_directory_it_was_opened_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("data")
    monkeypatch.chdir("/")
    store.put("a", b"1")
    assert (tmp_path / "data" / "a").read_bytes() == b"1"
    assert store.uri("a") == str(tmp_path / "data" / "a")


def test_an_object_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "a")
    with pytest.raises(DataError, match=f"cannot read {tmp_path}/a"):
        open_store(str(tmp_path)).get("a")


@pytest.mark.parametrize("root", ["", "gs://bucket/x", "file:///tmp/x"])
def test_a_root_of_an_unknown_kind_is_refused(root: str) -> None:
    with pytest.raises(UsageError, match="directory or s3://bucket/prefix"):
        open_store(root)


def test_an_endpoint_for_a_directory_is_refused_because_it_would_have_no_effect(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no effect"):
        open_store(str(tmp_path), endpoint_url="http://127.0.0.1:1")
