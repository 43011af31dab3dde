"""The debiased proxy: right whatever the critic says, narrower where it is good, and silent where it is not needed."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.estimates import Interval
from rollouts.proxy import ProxyUnit, proxy_value

UNITS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0.2, 0.9), st.floats(0, 1), st.booleans()), min_size=1, max_size=30
)


@given(UNITS)
def test_an_interval_holds_its_mean(units: list[tuple[float, float, float, bool]]) -> None:
    made = [ProxyUnit(score=s, propensity=p, returned=r if played else None) for s, p, r, played in units]
    found = proxy_value(made, level=0.9)
    assert 0 <= found.lower <= found.mean <= found.upper <= 1


@given(UNITS, st.randoms(use_true_random=False))
def test_where_everything_is_played_out_the_scores_change_nothing(
    units: list[tuple[float, float, float, bool]], chance: random.Random
) -> None:
    told = [ProxyUnit(score=score, propensity=1.0, returned=r) for score, _, r, _ in units]
    silent = [ProxyUnit(score=0.0, propensity=1.0, returned=r) for _, _, r, _ in units]
    with_scores, without = proxy_value(told, level=0.9), proxy_value(silent, level=0.9)
    assert (
        with_scores.mean
        == pytest.approx(without.mean, abs=1e-9)
        == pytest.approx(sum(r for _, _, r, _ in units) / len(units), abs=1e-9)
    )
    assert with_scores.lower == pytest.approx(without.lower, abs=1e-9)
    assert with_scores.upper == pytest.approx(without.upper, abs=1e-9)


@pytest.mark.parametrize("bias", [0.0, 0.4, -0.5])
def test_a_biased_critic_does_not_bias_the_estimate(bias: float) -> None:
    means = [proxy_value(_units(seed, bias=bias), level=0.9).mean for seed in range(300)]
    assert sum(means) / len(means) == pytest.approx(0.5, abs=0.02)


def test_the_interval_holds_the_truth_as_often_as_it_says_even_with_a_bad_critic() -> None:
    held = 0
    for seed in range(300):
        found = proxy_value(_units(seed, bias=0.4), level=0.9)
        held += found.lower <= 0.5 <= found.upper
    assert held / 300 >= 0.9


def test_a_good_critic_makes_the_interval_narrow() -> None:
    good = [proxy_value(_units(seed, bias=0.0, num_units=400), level=0.9) for seed in range(20)]
    bad = [proxy_value(_units(seed, bias=-0.5, num_units=400), level=0.9) for seed in range(20)]
    assert sum(i.upper - i.lower for i in good) < 0.9 * sum(i.upper - i.lower for i in bad)


def _units(seed: int, *, bias: float, num_units: int = 120) -> list[ProxyUnit]:
    """Values 0.1 and 0.9, half of each; the critic knows them up to its bias, and half of the units are played out."""
    chance, units = random.Random(seed), []
    for _ in range(num_units):
        value = chance.choice([0.1, 0.9])
        score = min(max(value + bias, 0.0), 1.0)
        returned = float(chance.random() < value)
        units.append(ProxyUnit(score=score, propensity=0.5, returned=returned if chance.random() < 0.5 else None))
    return units


def test_no_units_say_nothing() -> None:
    assert proxy_value([], level=0.9) == Interval(mean=0.5, lower=0.0, upper=1.0)


@pytest.mark.parametrize(
    ("score", "propensity", "returned"),
    [(0.5, 0.0, 1.0), (0.5, 1.1, 1.0), (1.5, 0.5, 1.0), (0.5, 0.5, -0.1), (0.5, 1.0, None)],
)
def test_impossible_units_are_refused(score: float, propensity: float, returned: float | None) -> None:
    with pytest.raises(ValueError, match=r"propensity|must lie"):
        ProxyUnit(score=score, propensity=propensity, returned=returned)


def test_an_impossible_level_is_refused() -> None:
    with pytest.raises(ValueError, match="level must lie"):
        proxy_value([ProxyUnit(score=0.5, propensity=1.0, returned=1.0)], level=1.0)
