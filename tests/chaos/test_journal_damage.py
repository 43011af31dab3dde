"""A journal that a dying disk has cut short: what can still be read is not paid for again, and the rows are the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.kept import kept_calls
from tests.chaos.rows import look
from tests.chaos.runs import LATENCY_S, RUN_ID, Place, Setting, kill_all, place, wait_for
from tests.chaos.storm import undisturbed

pytestmark = [pytest.mark.tau2, pytest.mark.slow]

TASKS = 5


@pytest.fixture
def models(tmp_path: Path) -> Iterator[Place]:
    setting = Setting(players="models", pool="local", where="directory")
    with place(setting, tmp_path / "run", tasks=TASKS) as found:
        yield found


def _segments(models: Place) -> list[Path]:
    return sorted(Path(models.root).glob("runs/*/journal/**/*.seg"))


def test_a_run_goes_on_from_a_journal_whose_tail_is_cut_off(models: Place) -> None:
    expected = undisturbed("models", TASKS)
    process = models.play()
    assert wait_for(lambda: models.progress() > expected.calls // 2 and len(_segments(models)) >= 2, timeout_s=90)
    kill_all(process)
    time.sleep(LATENCY_S)
    # what it had sent has arrived now
    whole = kept_calls(models)
    last = _segments(models)[-1]
    last.write_bytes(last.read_bytes()[:-20])
    asked, kept = models.progress(), kept_calls(models)
    assert 0 < kept < whole
    assert models.play().wait(90) == 0
    assert b"is damaged" in Path(models.log.name).read_bytes()
    assert look(models.store, RUN_ID).rows == expected.seen.rows
    assert models.progress() - asked == expected.calls - kept
    assert expected.calls < models.progress() < expected.calls * 3 // 2
    assert _segments(models) == []
