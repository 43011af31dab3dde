"""Intervals of means over tasks: repeatable, never without width, and about as sure as they say."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.evaluation.resampling import DIFFERENCE, SHARE, Estimate, Resampling, over_tasks
from rollouts.estimates import jeffreys_interval
from tests.labeling.evaluation.arms import QUICK


def known(values: list[float], resampling: Resampling = QUICK, scale: tuple[float, float] = SHARE) -> Estimate:
    estimate = over_tasks(values, resampling, scale=scale, place="test")
    assert estimate is not None
    return estimate


def test_no_task_says_nothing() -> None:
    assert over_tasks([], QUICK, scale=SHARE, place="test") is None


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_an_interval_holds_its_mean_stays_on_the_scale_and_has_width(values: list[float]) -> None:
    estimate = known(values, scale=DIFFERENCE)
    assert -1 <= estimate.lower <= estimate.mean <= estimate.upper <= 1
    assert estimate.mean == pytest.approx(sum(values) / len(values), abs=1e-9)
    if min(values) == max(values):
        assert estimate.upper > estimate.lower


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20), st.integers(0, 2**53 - 1))
def test_the_same_seed_gives_the_same_interval(values: list[float], seed: int) -> None:
    resampling = replace(QUICK, seed=seed)
    assert known(values, resampling) == known(values, resampling)


def test_another_seed_gives_another_interval() -> None:
    chance = random.Random(1)
    values = [chance.random() for _ in range(30)]
    found = {known(values, replace(QUICK, seed=seed)).lower for seed in range(5)}
    assert len(found) > 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_tasks_that_all_come_out_alike_leave_the_jeffreys_bound_open(value: float) -> None:
    estimate, jeffreys = known([value] * 12), jeffreys_interval(12 * value, 12, level=0.95)
    assert (estimate.lower, estimate.upper) == pytest.approx((jeffreys.lower, jeffreys.upper), abs=1e-9)


def test_more_tasks_that_all_come_out_alike_are_surer() -> None:
    few, many = known([0.0] * 5, scale=DIFFERENCE), known([0.0] * 50, scale=DIFFERENCE)
    assert few.upper == -few.lower > many.upper == -many.lower > 0


def test_a_value_off_the_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="needs values in"):
        known([0.5, 1.5])


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """40 tasks whose own chances are spread evenly over [0, 1], 4 trials each: the mean over all tasks there could be is 1/2."""
    chance = random.Random(3)
    covered, times = 0, 400
    for seed in range(times):
        tasks = [chance.random() for _ in range(40)]
        values = [sum(chance.random() < p for _ in range(4)) / 4 for p in tasks]
        estimate = known(values, Resampling(level=0.9, resamples=200, seed=seed))
        covered += estimate.lower <= 0.5 <= estimate.upper
    assert 0.84 < covered / times < 0.96
