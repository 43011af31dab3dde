"""A full disk, a larger one, a read-only one: each is a clear error, and nothing is half-published."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.needs import REPOSITORY

UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
# a mount of our own, seen by nobody else and gone with the process


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("disk")
    if shutil.which("unshare") is None:
        pytest.skip("needs `unshare`, of util-linux")
    probe = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", str(folder)], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"this machine lets nobody mount a small disk: {probe.stderr.decode().strip()}")
    command = [*UNSHARE, sys.executable, "-m", "tests.storage.small_disk", str(folder)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told | {"root": f"{folder}/root"}


def test_a_full_disk_says_what_to_do_and_publishes_nothing_by_halves(found: dict[str, Any]) -> None:
    assert found["full"].startswith(f"DataError: no space to write {found['root']}/")
    assert "No space left on device; nothing was published, free some and resume" in found["full"]
    assert 1 <= found["published"] < 10
    assert found["left_half_written"] == 0
    assert found["problems_when_full"] == []


def test_a_compaction_on_a_full_disk_changes_nothing(found: dict[str, Any]) -> None:
    compaction, _ = found["upkeep_when_full"]
    assert compaction.startswith("DataError: no space to write ")
    assert found["problems_after_upkeep"] == []


def test_the_run_goes_on_once_there_is_space(found: dict[str, Any]) -> None:
    assert found["larger"] == ""
    assert found["problems_at_the_end"] == []


def test_a_read_only_root_can_be_read_and_is_named_when_something_would_be_written(found: dict[str, Any]) -> None:
    assert found["problems_read_only"] == []
    for trouble in found["read_only"]:
        assert trouble.startswith(f"UsageError: cannot write under {found['root']}: Read-only file system")
        assert "choose a storage root that this user may write to" in trouble
