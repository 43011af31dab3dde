"""Two drivers on one run: the one that has it plays, the other says so; one that wakes after it was replaced changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.objects import open_store
from storage.verify import verify_run
from tests.chaos.rows import look
from tests.chaos.runs import IN_FLIGHT, RUN_ID, Place, Setting, place, wait_for
from tests.chaos.storm import undisturbed
from tests.end_to_end.process import treeroll

pytestmark = [pytest.mark.tau2, pytest.mark.slow]

TASKS = 5


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Place]:
    setting = Setting(players="models", pool="local", where="directory")
    with place(setting, tmp_path / "run", tasks=TASKS) as found:
        yield found


def _begun(models: Place, *, calls: int) -> subprocess.Popen[bytes]:
    process = models.play()
    assert wait_for(lambda: models.progress() >= calls, timeout_s=90)
    return process


def test_a_second_driver_is_refused_with_code_2_and_the_first_goes_on(models: Place) -> None:
    first = _begun(models, calls=IN_FLIGHT)
    second = treeroll("resume", RUN_ID, "--root", models.root)
    assert second.returncode == 2, second.stdout + second.stderr
    assert f"being played already: by process {first.pid} on" in second.stderr
    assert first.wait(90) == 0
    assert look(open_store(models.root), RUN_ID).rows == undisturbed("models", TASKS).seen.rows
    assert models.progress() == undisturbed("models", TASKS).calls


def test_a_driver_that_wakes_after_its_work_was_redone_loses_and_says_so(models: Place) -> None:
    expected = undisturbed("models", TASKS)
    sleeper = _begun(models, calls=expected.calls // 3)
    os.kill(sleeper.pid, signal.SIGSTOP)
    left = expected.calls - models.progress()
    assert models.play().wait(90) == 0
    redone, before = _files(models), models.progress()
    os.kill(sleeper.pid, signal.SIGCONT)
    assert sleeper.wait(90) == 2
    assert b"was taken over by process" in Path(models.log.name).read_bytes()
    assert models.progress() - before < left
    report = verify_run(open_store(models.root), RUN_ID)
    assert (report.problems, report.content_hash) == ((), expected.seen.content_hash)
    assert {path: data for path, data in _files(models).items() if path in redone} == redone


def _files(models: Place) -> dict[str, bytes]:
    """What the run has published."""
    root = Path(models.root)
    found = [*root.glob("tables/**/*.parquet"), *root.glob("runs/*/markers/*.json")]
    return {str(path): path.read_bytes() for path in found}
