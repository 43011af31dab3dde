"""Arms compared trial by trial."""

from __future__ import annotations

import pytest
from hypothesis import given

from labeling.evaluation.paired import Comparison, compare
from labeling.evaluation.trials import Trial, scored
from tests.labeling.evaluation.arms import QUICK, arm, arms


def compared(trials: list[Trial], against: list[Trial]) -> Comparison:
    return compare("critic", trials, baseline="alone", against=against, resampling=QUICK)


def test_what_was_turned_is_counted_over_what_could_be_turned() -> None:
    alone = arm({"a": [True, True, False], "b": [False, False, True]})
    critic = arm({"a": [True, False, True], "b": [True, False, True]})
    found = compared(critic, alone)
    assert (found.helpfulness.count, found.helpfulness.of) == (2, 3)
    assert (found.harmfulness.count, found.harmfulness.of) == (1, 3)
    assert found.difference is not None
    assert found.difference.mean == pytest.approx(1 / 6)


@given(arms(with_missing=True), arms(with_missing=True))
def test_every_pair_with_two_returns_counts_once_and_no_other(trials: list[Trial], against: list[Trial]) -> None:
    found = compared(trials, against)
    both = {(t.task_id, t.index) for t, _ in scored(trials)} & {(t.task_id, t.index) for t, _ in scored(against)}
    assert found.num_pairs == len(both) == found.helpfulness.of + found.harmfulness.of
    assert (found.difference is None) == (not both)
    if found.difference is not None:
        assert found.difference.tasks == len({task_id for task_id, _ in both})


@given(arms(with_missing=False), arms(with_missing=False))
def test_the_difference_is_what_was_helped_minus_what_was_harmed(trials: list[Trial], against: list[Trial]) -> None:
    found = compared(trials, against)
    if found.difference is not None:
        gained = (found.helpfulness.count - found.harmfulness.count) / found.num_pairs
        assert found.difference.mean == pytest.approx(gained, abs=1e-9)


@given(arms(with_missing=True))
def test_an_arm_compared_with_itself_helps_and_harms_nothing(trials: list[Trial]) -> None:
    found = compared(trials, trials)
    assert (found.helpfulness.count, found.harmfulness.count) == (0, 0)
    if found.difference is not None:
        assert found.difference.lower < 0 == found.difference.mean < found.difference.upper


@given(arms(with_missing=True), arms(with_missing=True))
def test_swapping_the_arms_swaps_help_and_harm(trials: list[Trial], against: list[Trial]) -> None:
    there, back = compared(trials, against), compared(against, trials)
    assert there.helpfulness.count == back.harmfulness.count
    assert there.harmfulness.count == back.helpfulness.count


def test_a_share_of_nothing_has_no_interval() -> None:
    found = compared(arm({"a": [True]}), arm({"a": [True]}))
    assert found.helpfulness.share is None
    assert found.harmfulness.share is not None
