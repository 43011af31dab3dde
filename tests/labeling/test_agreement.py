"""Agreement of a critic with labels: by hand, and by trying every pair."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.agreement import JudgedLabel, Scored, agreement, auc, brier, calibration
from labeling.evaluation.resampling import Resampling
from labeling.records import LabelName

QUICK = Resampling(level=0.9, resamples=200, seed=1)
SCORED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.booleans()), max_size=30)


def _judged(
    label: LabelName, verdict: str | None, score: float | None = None, *, task: str = "1", answered: bool = True
) -> JudgedLabel:
    return JudgedLabel(task_id=task, label=label, verdict=verdict, score=score, answered=answered)


def test_the_auc_of_four_scores_by_hand() -> None:
    assert auc([(0.9, True), (0.4, True), (0.6, False), (0.1, False)]) == 0.75
    assert auc([(0.5, True), (0.5, False)]) == 0.5
    assert auc([(0.5, True), (0.9, True)]) is None


@given(SCORED)
def test_the_auc_is_the_share_of_pairs_in_the_right_order_ties_counting_half(scored: list[Scored]) -> None:
    approved = [score for score, label in scored if label]
    revised = [score for score, label in scored if not label]
    won = [float(up > down) + 0.5 * (up == down) for up, down in product(approved, revised)]
    assert auc(scored) == (pytest.approx(sum(won) / len(won)) if won else None)


@given(SCORED)
def test_the_auc_of_reversed_scores_is_its_complement(scored: list[Scored]) -> None:
    value = auc(scored)
    assert auc((1 - score, label) for score, label in scored) == (None if value is None else pytest.approx(1 - value))


def test_the_brier_score_by_hand() -> None:
    assert brier([(0.9, True), (0.2, False), (0.5, True)]) == pytest.approx((0.01 + 0.04 + 0.25) / 3)
    assert brier([(0.5, True), (0.5, False)]) == 0.25
    assert brier([]) is None


def test_calibration_by_hand() -> None:
    first, *_, last = calibration([(0.0, False), (0.05, True), (0.1, True), (0.95, True), (1.0, False)])
    assert (first.lower, first.upper, first.count, first.mean_score, first.approved) == (0.0, 0.1, 2, 0.025, 0.5)
    assert (last.upper, last.count, last.mean_score, last.approved) == (1.0, 2, 0.975, 0.5)


@given(SCORED)
def test_the_bins_hold_every_score_once_and_cover_all_of_them(scored: list[Scored]) -> None:
    bins = calibration(scored)
    assert sum(each.count for each in bins) == len(scored)
    assert [each.lower for each in bins[1:]] == [each.upper for each in bins[:-1]]
    for each in bins:
        if each.mean_score is not None:
            assert each.lower - 1e-9 <= each.mean_score <= each.upper + 1e-9
        assert (each.mean_score is None) == (each.approved is None) == (each.count == 0)


def test_a_score_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"in \[0, 1\], got 1.5"):
        calibration([(1.5, True)])


def test_every_label_is_counted_once_and_only_decided_ones_with_a_verdict_are_compared() -> None:
    found = agreement(
        [
            _judged("approve", "approve", 0.9),
            _judged("approve", "revise", 0.3),
            _judged("revise", "revise", 0.1, task="2"),
            _judged("revise", None, task="2"),
            _judged("approve", None, answered=False),
            _judged("abstain", "approve", 0.8),
            _judged("abstain", None),
        ],
        QUICK,
    )
    assert (found.labels, found.abstained, found.unreadable, found.unanswered, found.compared) == (7, 2, 1, 1, 3)
    assert found.confusion == {"approve": {"approve": 1, "revise": 1}, "revise": {"approve": 0, "revise": 1}}
    assert found.accuracy is not None and found.auc is not None and found.brier is not None
    assert found.accuracy.mean == pytest.approx(2 / 3)
    assert found.accuracy.tasks == 2
    assert found.auc.mean == 1.0
    assert found.brier.mean == pytest.approx((0.01 + 0.49 + 0.01) / 3)
    assert sum(each.count for each in found.calibration) == 3


def test_a_critic_without_scores_has_an_accuracy_and_nothing_else() -> None:
    found = agreement([_judged("approve", "approve"), _judged("revise", "approve", task="2")], QUICK)
    assert (found.auc, found.brier, found.calibration) == (None, None, ())
    assert found.accuracy is not None


def test_without_a_decided_label_nothing_is_claimed() -> None:
    found = agreement([_judged("abstain", "approve", 0.5)], QUICK)
    assert (found.accuracy, found.auc, found.brier, found.calibration, found.compared) == (None, None, None, (), 0)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["approve", "revise", "abstain"]), st.floats(0, 1), st.sampled_from(["1", "2", "3", "4"])
        ),
        max_size=25,
    )
)
def test_an_interval_holds_its_mean_has_width_and_is_the_same_again(told: list[tuple[LabelName, float, str]]) -> None:
    judged = [_judged(label, "approve" if score >= 0.5 else "revise", score, task=task) for label, score, task in told]
    found = agreement(judged, QUICK)
    assert agreement(judged, QUICK) == found
    for estimate in (found.accuracy, found.auc, found.brier):
        if estimate is not None:
            assert 0 <= estimate.lower <= estimate.mean <= estimate.upper <= 1
            assert estimate.lower < estimate.upper


def test_tasks_are_resampled_whole() -> None:
    """Ten labels of each of two tasks that disagree: between them there is nothing, so the interval is as wide as can be."""
    judged = [_judged("approve", verdict, task=verdict) for verdict in ("approve", "revise") for _ in range(10)]
    found = agreement(judged, QUICK)
    assert found.accuracy is not None
    assert (found.accuracy.lower, found.accuracy.mean, found.accuracy.upper) == (0.0, 0.5, 1.0)


def test_a_perfect_critic_of_many_tasks_is_surer_than_one_of_few() -> None:
    few, many = (
        agreement([_judged("approve", "approve", task=str(task)) for task in range(tasks)], QUICK) for tasks in (3, 60)
    )
    assert few.accuracy is not None and many.accuracy is not None
    assert few.accuracy.lower < many.accuracy.lower < many.accuracy.upper == 1.0
