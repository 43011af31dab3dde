"""A storage server that goes away and does not come back: the run stops and says so, and what it had paid for is not paid again."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.chaos.cost import WRITE_S
from tests.chaos.kept import kept_calls
from tests.chaos.rows import look
from tests.chaos.runs import FLUSH_S, IN_FLIGHT, RUN_ID, Setting, place, wait_for
from tests.chaos.storm import undisturbed

pytestmark = [pytest.mark.tau2, pytest.mark.s3, pytest.mark.slow]

TASKS = 5
STOPPED = 3


def test_a_run_whose_store_stays_away_stops_with_code_3_and_goes_on_to_the_same_rows(tmp_path: Path) -> None:
    expected = undisturbed("models", TASKS)
    with place(Setting(players="models", pool="local", where="s3"), tmp_path / "run", tasks=TASKS) as found:
        assert found.server is not None
        process = found.play("storage.outage_s=1.0")
        assert wait_for(lambda: found.progress() > expected.calls // 3, timeout_s=90)
        safe = found.progress() - IN_FLIGHT
        time.sleep(FLUSH_S + WRITE_S)
        found.server.kill()
        assert process.wait(120) == STOPPED, Path(found.log.name).read_text()
        assert f"treeroll resume {RUN_ID}" in Path(found.log.name).read_text()
        found.server.revive()
        asked, kept = found.progress(), kept_calls(found)
        assert kept >= safe
        assert found.play().wait(120) == 0, Path(found.log.name).read_text()
        assert look(found.store, RUN_ID).rows == expected.seen.rows
        assert found.progress() - asked == expected.calls - kept
        assert found.progress() < 2 * expected.calls
