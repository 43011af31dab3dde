"""What an arm came to."""

from __future__ import annotations

import pytest
from hypothesis import given

from labeling.evaluation.summary import evaluated, summarise
from labeling.evaluation.trials import Trial
from rollouts.episode import Spend
from tests.labeling.evaluation.arms import QUICK, arm, arms, trial


@given(arms(with_missing=True))
def test_every_trial_is_solved_or_failed_or_missing(trials: list[Trial]) -> None:
    summary = summarise("alone", trials, num_trials=3, resampling=QUICK)
    assert summary.num_trials == summary.num_scored + sum(summary.missing.values())
    assert [passed.k for passed in summary.passes] == [1, 2, 3]


def test_means_are_over_episodes_with_a_return_and_the_spend_over_all() -> None:
    spend = Spend(actor_calls=4, critic_calls=2, prompt_tokens=90, completion_tokens=10, cost_usd=0.5)
    played = [trial("a", 0, True, revisions=1, spend=spend), trial("a", 1, False, revisions=2, spend=spend)]
    summary = summarise("critic", [*played, trial("b", 0, None, spend=spend)], num_trials=2, resampling=QUICK)
    assert summary.per_episode is not None
    assert (summary.per_episode.revisions, summary.per_episode.actor_calls, summary.per_episode.tokens) == (1.5, 4, 100)
    assert summary.spend.actor_calls == 12
    assert summary.cost_per_solved_usd == pytest.approx(1.5)


@pytest.mark.parametrize(("solved", "cost_usd"), [(True, None), (False, 0.5)])
def test_a_cost_that_is_unknown_and_a_cost_of_nothing_solved_are_not_told(solved: bool, cost_usd: float | None) -> None:
    trials = [trial("a", 0, solved, spend=Spend(cost_usd=cost_usd))]
    assert summarise("alone", trials, num_trials=1, resampling=QUICK).cost_per_solved_usd is None


def test_an_arm_without_a_return_is_told_as_such() -> None:
    summary = summarise("alone", arm({"a": [None, None]}), num_trials=2, resampling=QUICK)
    assert (summary.num_scored, summary.mean_return, summary.per_episode) == (0, None, None)
    assert summary.missing == {"timeout": 2}


def test_every_other_arm_is_compared_with_the_baseline_in_order() -> None:
    trials = {name: arm({"a": [name == "good", True]}) for name in ("poor", "alone", "good")}
    findings = evaluated(trials, baseline="alone", num_trials=2, resampling=QUICK)
    assert [summary.arm for summary in findings.arms] == ["poor", "alone", "good"]
    assert [(c.arm, c.baseline) for c in findings.comparisons] == [("poor", "alone"), ("good", "alone")]


def test_an_added_arm_changes_nothing_that_is_said_of_the_others() -> None:
    alone, good = arm({"a": [True, False], "b": [False, False]}), arm({"a": [True, True], "b": [True, False]})
    two = evaluated({"alone": alone, "good": good}, baseline="alone", num_trials=2, resampling=QUICK)
    three = evaluated({"alone": alone, "new": good, "good": good}, baseline="alone", num_trials=2, resampling=QUICK)
    assert two.arms == (three.arms[0], three.arms[2])
    assert two.comparisons == (three.comparisons[1],)
