"""A few small storms, one for each kind of place that a run is struck in; `python -m tests.chaos.storm` has the long version."""

from __future__ import annotations

import pytest

from tests.chaos.runs import Setting
from tests.chaos.schedule import schedule
from tests.chaos.storm import SETTINGS, storm

TASKS, BLOWS = 5, 3


@pytest.mark.tau2
@pytest.mark.slow
@pytest.mark.parametrize(
    "seed",
    [0, pytest.param(1, marks=pytest.mark.s3), 2, pytest.param(4, marks=[pytest.mark.s3, pytest.mark.ray])],
)
def test_whatever_is_killed_every_row_is_there_once_and_no_call_is_repeated_beyond_the_flush(seed: int) -> None:
    report = storm(seed, tasks=TASKS, blows=BLOWS)
    assert report.kills.total() >= 1
    assert report.num_rows > 0


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_a_storm_follows_from_its_seed(setting: Setting) -> None:
    blows = [schedule(seed, targets=setting.targets, blows=20, stride=setting.stride) for seed in (7, 7, 8)]
    assert blows[0] == blows[1] != blows[2]
    assert {blow.target for blow in (*blows[0], *blows[2])} == set(setting.targets)
    assert all(0 <= blow.after <= setting.stride for blow in blows[0])
