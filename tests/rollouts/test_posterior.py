"""Posteriors against identities and simulation; allocation against brute force."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.posterior import Beta, Stratum, neyman_allocation, posterior, probability_greater

COUNTS = st.integers(0, 30).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, COUNTS)
def test_one_of_two_values_is_the_greater(first: tuple[int, int], second: tuple[int, int]) -> None:
    a, b = posterior(*first), posterior(*second)
    assert probability_greater(a, b) + probability_greater(b, a) == pytest.approx(1, abs=2e-3)
    assert probability_greater(a, a) == pytest.approx(0.5, abs=1e-9)


@given(COUNTS, COUNTS, st.floats(-1, 1), st.floats(0, 0.5))
def test_a_greater_margin_is_less_probable(
    first: tuple[int, int], second: tuple[int, int], margin: float, more: float
) -> None:
    a, b = posterior(*first), posterior(*second)
    probability = probability_greater(a, b, margin=margin)
    assert 0 <= probability <= 1 + 1e-12
    assert probability_greater(a, b, margin=min(margin + more, 1.0)) <= probability + 1e-9


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.2, -0.3])
@pytest.mark.parametrize(("a", "b"), [((0, 0), (0, 0)), ((3, 10), (0, 3)), ((8, 8), (0, 8)), ((20, 24), (17, 24))])
def test_comparisons_agree_with_simulation(a: tuple[int, int], b: tuple[int, int], margin: float) -> None:
    first, second, chance = posterior(*a), posterior(*b), random.Random(3)
    times = 20_000
    greater = sum(
        chance.betavariate(first.a, first.b) > chance.betavariate(second.a, second.b) + margin for _ in range(times)
    )
    assert probability_greater(first, second, margin=margin) == pytest.approx(greater / times, abs=0.015)


def test_uniform_values_differ_by_a_margin_as_often_as_geometry_says() -> None:
    """P(X > Y + m) = (1 − m)² / 2 for uniform X, Y."""
    uniform = Beta(a=1, b=1)
    for margin in (0.0, 0.25, 0.5, 0.9):
        assert probability_greater(uniform, uniform, margin=margin) == pytest.approx((1 - margin) ** 2 / 2, abs=1e-3)


@given(COUNTS)
def test_a_posterior_has_the_moments_of_jeffreys(counts: tuple[int, int]) -> None:
    successes, n = counts
    found = posterior(successes, n)
    assert found.mean == pytest.approx((successes + 0.5) / (n + 1))
    assert found.variance == pytest.approx(found.mean * (1 - found.mean) / (n + 2))
    assert found.weight == n + 1


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.floats(0.1, 1), st.floats(0.05, 0.5), st.integers(1, 4)), min_size=1, max_size=3),
    st.integers(4, 14),
)
def test_no_other_allocation_is_much_better_than_neymans(strata: list[tuple[float, float, int]], budget: int) -> None:
    made = [Stratum(weight=w, sd=sd, cost=float(cost)) for w, sd, cost in strata]
    counts = neyman_allocation(budget, made)
    assert sum(n * s.cost for n, s in zip(counts, made, strict=True)) <= budget
    every = itertools.product(*(range(1, budget + 1) for _ in made))
    affordable = [found for found in every if sum(n * s.cost for n, s in zip(found, made, strict=True)) <= budget]
    if affordable and all(counts):
        best = min(_variance(found, made) for found in affordable)
        assert _variance(counts, made) <= 1.5 * best


def _variance(counts: tuple[int, ...], strata: list[Stratum]) -> float:
    return sum((s.weight * s.sd) ** 2 / n for n, s in zip(counts, strata, strict=True))


def test_an_allocation_is_proportional_to_weight_times_spread() -> None:
    strata = [
        Stratum(weight=1, sd=0.4),
        Stratum(weight=-1, sd=0.2),
        Stratum(weight=0.5, sd=0.4),
        Stratum(weight=1, sd=0),
    ]
    assert neyman_allocation(80, strata) == (40, 20, 20, 0)
    assert neyman_allocation(10, [Stratum(weight=0, sd=1)]) == (0,)


@pytest.mark.parametrize(("successes", "n"), [(3, 2), (-1, 2)])
def test_impossible_counts_are_refused(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="must lie"):
        posterior(successes, n)


def test_impossible_margins_budgets_and_costs_are_refused() -> None:
    with pytest.raises(ValueError, match="margin must lie"):
        probability_greater(posterior(1, 2), posterior(1, 2), margin=1.5)
    with pytest.raises(ValueError, match="budget >= 0"):
        neyman_allocation(-1, [])
    with pytest.raises(ValueError, match="cost > 0"):
        neyman_allocation(1, [Stratum(weight=1, sd=1, cost=0)])
