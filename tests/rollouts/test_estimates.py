"""Intervals against exact identities and against simulated truth."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.estimates import Interval, beta_cdf, beta_quantile, difference_interval, jeffreys_interval


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.001, 0.999))
def test_the_beta_distribution_agrees_with_the_binomial_tail(a: int, b: int, x: float) -> None:
    n = a + b - 1
    tail = math.fsum(math.comb(n, k) * x**k * (1 - x) ** (n - k) for k in range(a, n + 1))
    assert beta_cdf(x, a, b) == pytest.approx(tail, abs=1e-10)


@given(st.floats(0.01, 0.99), st.floats(0.5, 500), st.floats(0.5, 500))
def test_the_quantile_inverts_the_distribution(probability: float, a: float, b: float) -> None:
    assert beta_cdf(beta_quantile(probability, a, b), a, b) == pytest.approx(probability, abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "n", "lower", "upper"),
    [(0, 10, 0.0, 0.2172), (1, 10, 0.0110, 0.3813), (5, 10, 0.2235, 0.7765), (10, 10, 0.7828, 1.0)],
)
def test_published_jeffreys_limits_are_met(successes: int, n: int, lower: float, upper: float) -> None:
    """Brown, Cai, DasGupta 2001, table 5 (95 %)."""
    interval = jeffreys_interval(successes, n, level=0.95)
    assert interval.lower == pytest.approx(lower, abs=6e-4)
    assert interval.upper == pytest.approx(upper, abs=6e-4)


@given(st.integers(0, 200), st.floats(0.05, 0.999), st.data())
def test_an_interval_holds_its_mean_and_is_never_of_zero_width(n: int, level: float, data: st.DataObject) -> None:
    successes = data.draw(st.floats(0, n) if n else st.just(0.0))
    interval = jeffreys_interval(successes, n, level=level)
    assert 0 <= interval.lower <= interval.mean <= interval.upper <= 1
    assert interval.upper - interval.lower > 0


def test_no_trials_say_nothing() -> None:
    assert jeffreys_interval(0, 0, level=0.9) == Interval(mean=0.5, lower=0.0, upper=1.0)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(p: float) -> None:
    chance = random.Random(7)
    n, times = 12, 4000
    covered = 0
    for _ in range(times):
        interval = jeffreys_interval(sum(chance.random() < p for _ in range(n)), n, level=0.9)
        covered += interval.lower <= p <= interval.upper
    assert covered / times > 0.85


@pytest.mark.parametrize(("n", "level"), [(4, 0.8), (8, 0.8), (8, 0.9), (16, 0.9)])
def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says_over_all_pairs(n: int, level: float) -> None:
    """Exact coverage, averaged over a grid of true probabilities; at single points it swings, as for every discrete interval."""
    intervals = [jeffreys_interval(k, n, level=level) for k in range(n + 1)]
    grid = [0.02, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.98]
    pmf = {p: [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)] for p in grid}
    covered = 0.0
    for i, first in enumerate(intervals):
        for j, second in enumerate(intervals):
            bounds = difference_interval(first, second)
            for p in grid:
                for q in grid:
                    if bounds.lower - 1e-9 <= p - q <= bounds.upper + 1e-9:
                        covered += pmf[p][i] * pmf[q][j]
    assert covered / len(grid) ** 2 > level - 0.02


@pytest.mark.parametrize(("successes", "n", "level"), [(3, 2, 0.9), (-1, 2, 0.9), (1, 2, 1.0), (1, 2, 0.0)])
def test_impossible_counts_and_levels_are_refused(successes: int, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="must"):
        jeffreys_interval(successes, n, level=level)
