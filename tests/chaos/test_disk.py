"""A disk that is full in the middle of a run: it stops and says so, and with room again it ends as if nothing had been."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.runs import Setting, place
from tests.chaos.storm import undisturbed
from tests.needs import REPOSITORY

OWN_MOUNTS = ("unshare", "--map-root-user", "--mount")
TASKS = 5
KIB = 300
# room for a few items of the fifteen


def _cannot_mount() -> bool:
    if shutil.which(OWN_MOUNTS[0]) is None:
        return True
    return subprocess.run([*OWN_MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0


@pytest.mark.tau2
@pytest.mark.slow
@pytest.mark.skipif(_cannot_mount(), reason="this user may not mount a tmpfs in a namespace of its own")
def test_a_run_whose_disk_is_full_stops_with_code_3_and_goes_on_to_the_same_rows(tmp_path: Path) -> None:
    setting = Setting(players="stand-ins", pool="local", where="directory")
    with place(setting, tmp_path / "run", tasks=TASKS) as found:
        overrides = [*found.overrides(), "storage.outage_s=1.0"]
    command = [*OWN_MOUNTS, sys.executable, "-m", "tests.chaos.full_disk", str(tmp_path), str(KIB), *overrides]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    expected = undisturbed("stand-ins", TASKS).seen
    assert told["stopped"] == 3, told["said"]
    assert "No space left on device" in told["said"]
    assert 0 < told["rows_before"] < expected.rows.total()
    assert told["unfinished_before"] == 0
    assert (told["resumed"], told["verified"], told["content_hash"]) == (0, 0, expected.content_hash)
