"""The sequence holds at every time at once, exactly and in simulation."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.confidence_sequence import confidence_sequence, difference_sequence
from rollouts.estimates import Interval, difference_interval, jeffreys_interval

COUNTS = st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(COUNTS, st.floats(0.05, 0.99))
def test_an_interval_holds_its_mean_and_is_wider_than_one_for_a_single_time(
    counts: tuple[int, int], level: float
) -> None:
    interval, once = confidence_sequence(*counts, level=level), jeffreys_interval(*counts, level=level)
    assert 0 <= interval.lower <= interval.mean <= interval.upper <= 1
    assert interval.upper - interval.lower >= once.upper - once.lower - 1e-9


@given(COUNTS, st.floats(0.05, 0.9))
def test_a_higher_level_is_wider(counts: tuple[int, int], level: float) -> None:
    low, high = confidence_sequence(*counts, level=level), confidence_sequence(*counts, level=level + 0.09)
    assert high.lower <= low.lower
    assert low.upper <= high.upper


@given(COUNTS)
def test_failures_mirror_successes(counts: tuple[int, int]) -> None:
    successes, n = counts
    own, other = confidence_sequence(successes, n, level=0.9), confidence_sequence(n - successes, n, level=0.9)
    assert own.lower == pytest.approx(1 - other.upper, abs=1e-8)


@pytest.mark.parametrize("p", [0.02, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_it_is_never_wrong_at_any_of_300_times_more_often_than_it_says(p: float, level: float) -> None:
    """Exactly: the chance of every count whose every prefix was covered, by dynamic programming."""
    chances = {0: 1.0}
    for n in range(1, 301):
        after: dict[int, float] = {}
        for successes, chance in chances.items():
            after[successes] = after.get(successes, 0.0) + chance * (1 - p)
            after[successes + 1] = after.get(successes + 1, 0.0) + chance * p
        chances = {s: chance for s, chance in after.items() if _holds(s, n, level, p)}
    assert sum(chances.values()) >= level


def _holds(successes: int, n: int, level: float, p: float) -> bool:
    interval = confidence_sequence(successes, n, level=level)
    return interval.lower <= p <= interval.upper


def test_a_jeffreys_interval_does_not_hold_when_one_may_stop_at_will() -> None:
    """Why there is a sequence: looking at each of 80 intervals of 90 % misses the truth far more than 10 % of the time."""
    assert _wrong_at_some_time(lambda s, n: jeffreys_interval(s, n, level=0.9)) > 0.5
    assert _wrong_at_some_time(lambda s, n: confidence_sequence(s, n, level=0.9)) < 0.15


def _wrong_at_some_time(interval_of: object) -> float:
    assert callable(interval_of)
    wrong, times, chance = 0, 200, random.Random(5)
    for _ in range(times):
        successes = 0
        for n in range(1, 81):
            successes += chance.random() < 0.4
            interval = interval_of(successes, n)
            if not interval.lower <= 0.4 <= interval.upper:
                wrong += 1
                break
    return wrong / times


def test_it_holds_for_returns_between_0_and_1() -> None:
    wrong, chance = 0, random.Random(11)
    for _ in range(400):
        total = 0.0
        for n in range(1, 60):
            total += chance.choice([0.0, 0.25, 0.8, 1.0])
            interval = confidence_sequence(total, n, level=0.9)
            if not interval.lower <= 0.5125 <= interval.upper:
                wrong += 1
                break
    assert wrong / 400 <= 0.1


@given(COUNTS, COUNTS, st.floats(0.1, 0.95))
def test_a_difference_holds_its_mean_and_is_the_mirror_of_the_other_way_round(
    first: tuple[int, int], second: tuple[int, int], level: float
) -> None:
    there, back = difference_sequence(first, second, level=level), difference_sequence(second, first, level=level)
    assert -1 <= there.lower <= there.mean <= there.upper <= 1
    assert there.lower == pytest.approx(-back.upper, abs=1e-9)


@given(COUNTS, COUNTS)
def test_a_difference_is_known_no_better_than_by_intervals_for_a_single_time(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    always = difference_sequence(first, second, level=0.9)
    once = difference_interval(*(jeffreys_interval(*counts, level=0.9) for counts in (first, second)))
    assert always.lower <= once.lower
    assert once.upper <= always.upper


@pytest.mark.parametrize("values", [(0.5, 0.5), (0.1, 0.7), (0.95, 0.9)])
def test_a_difference_holds_for_whoever_samples_the_worse_one_until_it_misses(values: tuple[float, float]) -> None:
    """Which of two is sampled next depends on both; one interval that misses is enough to be wrong."""
    wrong, chance, times = 0, random.Random(7), 150
    for _ in range(times):
        counts = [(0, 0), (0, 0)]
        for _ in range(40):
            which = 0 if counts[0][0] * counts[1][1] <= counts[1][0] * counts[0][1] else 1
            successes, n = counts[which]
            counts[which] = successes + (chance.random() < values[which]), n + 1
            interval = difference_sequence(counts[0], counts[1], level=0.9)
            if not interval.lower <= values[0] - values[1] <= interval.upper:
                wrong += 1
                break
    assert wrong / times <= 0.1


def test_no_rollouts_say_nothing() -> None:
    assert confidence_sequence(0, 0, level=0.9) == Interval(mean=0.5, lower=0.0, upper=1.0)


@pytest.mark.parametrize(("successes", "n", "level"), [(3, 2, 0.9), (-1, 2, 0.9), (1, 2, 1.0), (1, 2, 0.0)])
def test_impossible_counts_and_levels_are_refused(successes: int, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="must"):
        confidence_sequence(successes, n, level=level)
