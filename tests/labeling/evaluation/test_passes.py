"""pass^k against brute force and against the truth that it estimates."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import comb, fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.evaluation.passes import pass_estimates, pass_hat, told_ks
from labeling.evaluation.trials import Trial
from tests.labeling.evaluation.arms import QUICK, arm, arms


@given(st.lists(st.booleans(), min_size=1, max_size=8), st.data())
def test_pass_k_is_the_share_of_all_choices_of_k_trials_that_are_solved_throughout(
    solved: list[bool], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(solved)))
    chosen = list(combinations(solved, k))
    assert pass_hat(sum(solved), len(solved), k=k) == pytest.approx(sum(map(all, chosen)) / len(chosen))


@given(st.integers(1, 12), st.floats(0, 1), st.data())
def test_the_estimate_is_unbiased(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    expected = fsum(comb(n, c) * p**c * (1 - p) ** (n - c) * pass_hat(c, n, k=k) for c in range(n + 1))
    assert expected == pytest.approx(p**k, abs=1e-9)


@pytest.mark.parametrize(("solved", "n", "k"), [(3, 2, 1), (-1, 2, 1), (1, 2, 0), (1, 2, 3)])
def test_impossible_counts_are_refused(solved: int, n: int, k: int) -> None:
    with pytest.raises(ValueError, match="needs"):
        pass_hat(solved, n, k=k)


@given(arms(with_missing=True))
def test_more_trials_are_never_easier_on_the_same_tasks(trials: list[Trial]) -> None:
    estimates = [passed.estimate for passed in pass_estimates(trials, num_trials=3, resampling=QUICK)]
    for fewer, more in pairwise(estimates):
        if fewer is not None and more is not None and fewer.tasks == more.tasks:
            assert more.mean <= fewer.mean + 1e-12


@given(st.integers(1, 1000))
def test_few_k_stand_for_many_and_the_first_and_the_greatest_are_among_them(num_trials: int) -> None:
    ks = told_ks(num_trials)
    assert (ks[0], ks[-1]) == (1, num_trials)
    assert ks == sorted(set(ks))
    assert len(ks) <= 15


def test_a_trial_without_a_return_is_left_out_and_never_a_failure() -> None:
    trials = arm({"a": [True, True, None], "b": [True, None, None], "c": [None, None, None]})
    first, second, third = pass_estimates(trials, num_trials=3, resampling=QUICK)
    assert first.estimate is not None
    assert (first.estimate.mean, first.estimate.tasks) == (1.0, 2)
    assert second.estimate is not None
    assert (second.estimate.mean, second.estimate.tasks) == (1.0, 1)
    assert (third.k, third.estimate) == (3, None)
