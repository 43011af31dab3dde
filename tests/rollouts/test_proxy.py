"""The debiased proxy: right whatever the critic says, nearer to the truth where it is good, and silent where it is not needed."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.proxy import ProxyUnit, Trust, debiased_mean, trust

UNITS = st.lists(
    st.tuples(st.floats(-1, 1), st.floats(0.2, 0.9), st.floats(0, 1), st.booleans()), min_size=1, max_size=30
)
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=8)


@given(UNITS)
def test_a_mean_of_returns_is_between_0_and_1(units: list[tuple[float, float, float, bool]]) -> None:
    made = [ProxyUnit(prediction=s, propensity=p, returned=r if played else None) for s, p, r, played in units]
    assert 0 <= debiased_mean(made) <= 1


@given(UNITS, st.randoms(use_true_random=False))
def test_where_everything_is_played_out_the_scores_change_nothing(
    units: list[tuple[float, float, float, bool]], chance: random.Random
) -> None:
    told = [ProxyUnit(prediction=chance.random(), propensity=1.0, returned=r) for _, _, r, _ in units]
    assert debiased_mean(told) == pytest.approx(sum(r for _, _, r, _ in units) / len(units), abs=1e-9)


@pytest.mark.parametrize("bias", [0.0, 0.4, -0.5])
def test_a_biased_critic_does_not_bias_the_estimate(bias: float) -> None:
    means = [debiased_mean(_units(seed, lambda value: value + bias)) for seed in range(300)]
    assert sum(means) / len(means) == pytest.approx(0.5, abs=0.02)


def test_a_good_critic_is_nearer_to_the_truth_than_a_bad_one() -> None:
    good, none, bad = (
        sum(abs(debiased_mean(_units(seed, said)) - 0.5) for seed in range(200))
        for said in (lambda value: value, lambda value: 0.5, lambda value: 1 - value)
    )
    assert good < 0.8 * none < 0.8 * bad


def _units(seed: int, said: Callable[[float], float], *, num_units: int = 60) -> list[ProxyUnit]:
    """Values 0.1 and 0.9, half of each, and half of the units are played out."""
    chance, units = random.Random(seed), []
    for _ in range(num_units):
        value = chance.choice([0.1, 0.9])
        returned = float(chance.random() < value)
        played = chance.random() < 0.5
        units.append(ProxyUnit(prediction=said(value), propensity=0.5, returned=returned if played else None))
    return units


@given(PAIRS)
def test_a_critic_that_says_the_opposite_is_read_the_other_way_round(pairs: list[tuple[float, float]]) -> None:
    assert trust((1 - score, value) for score, value in pairs).slope == pytest.approx(-trust(pairs).slope, abs=1e-9)


def test_a_critic_that_says_the_same_of_everything_is_not_listened_to() -> None:
    assert trust([(0.3, 0.0), (0.3, 1.0)]).slope == 0
    assert trust([(0.3, 1.0)]).slope == Trust().slope == 0


@given(PAIRS, PAIRS)
def test_what_a_state_told_can_be_left_out_again(
    first: list[tuple[float, float]], second: list[tuple[float, float]]
) -> None:
    both = trust(first) + trust(second)
    assert (both - trust(second)).slope == pytest.approx(trust(first).slope, abs=1e-9)
    assert -1 <= both.slope <= 1


def test_weights_count_as_that_many_units() -> None:
    first, second = (ProxyUnit(prediction=0.0, propensity=1.0, returned=r) for r in (0.0, 1.0))
    heavy = ProxyUnit(prediction=0.0, propensity=1.0, returned=1.0, weight=3.0)
    assert debiased_mean([first, heavy]) == debiased_mean([first, second, second, second]) == 0.75


def test_without_units_there_is_no_mean() -> None:
    with pytest.raises(ValueError, match="nothing to estimate"):
        debiased_mean([])


@pytest.mark.parametrize(("propensity", "returned"), [(0.0, 1.0), (1.1, 1.0), (0.5, 1.5), (0.5, -0.1), (1.0, None)])
def test_impossible_units_are_refused(propensity: float, returned: float | None) -> None:
    with pytest.raises(ValueError, match=r"propensity|must lie"):
        ProxyUnit(prediction=0.5, propensity=propensity, returned=returned)
