"""What critiques are worth."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.records import CritiqueValue
from labeling.uplift import correlation, critique_values, paired_difference
from labeling.values import action_values
from rollouts.episode import Approve, Episode, Review, Revise, Verdict
from rollouts.estimates import difference_interval, jeffreys_interval
from tests.rollouts.plays import RIGHT, WRONG, episode, fork, tree

TRUNK = episode("t0", [("zero", WRONG)], 0.0)
OBJECTION = Revise(feedback="Not that one.")
Returns = Sequence[float | None]


def _critique(delivered: Returns, executed: Returns, verdict: Verdict | None = OBJECTION) -> CritiqueValue:
    review = Review(draft=WRONG, verdict=verdict, score=0.25)
    made = tree([TRUNK, *_plays(delivered, executed)], [fork("t0.s0", "zero", WRONG, RIGHT, reviews=[review])])
    [found] = critique_values(made, action_values(made, level=0.9), level=0.9)
    return found


def _plays(delivered: Returns, executed: Returns) -> list[Episode]:
    return [
        *(episode(f"t0.s0.a0.c0.r{r}", [("zero", RIGHT)], value) for r, value in enumerate(delivered)),
        *(episode(f"t0.s0.a0.r{r}", [("zero", WRONG)], value) for r, value in enumerate(executed)),
    ]


def test_feedback_that_turns_failures_into_successes_is_helpful_and_the_reverse_harmful() -> None:
    assert _critique([1.0] * 6, [0.0] * 6).worth == "helpful"
    assert _critique([0.0] * 6, [1.0] * 6).worth == "harmful"
    assert _critique([1.0, 0.0] * 3, [0.0, 1.0] * 3).worth == "undecided"


def test_a_critique_carries_its_evidence() -> None:
    found = _critique([1.0, None, 1.0, 0.0], [0.0, 0.0, None])
    assert (found.delivered_n, found.delivered_successes, found.delivered_failures) == (3, 2.0, 1)
    assert (found.executed_n, found.executed_successes, found.num_pairs) == (2, 0.0, 1)
    assert (found.score, found.verdict, found.unchanged_n) == (0.25, OBJECTION, 0)
    assert found.uplift_mean == pytest.approx(2 / 3)


def test_a_revision_that_changes_nothing_is_counted_and_its_plays_stay_out_of_the_other_arm() -> None:
    review = Review(draft=WRONG, verdict=OBJECTION)
    plays = [
        episode("t0.s0.a0.c0.r0", [("zero", WRONG)], 1.0),
        episode("t0.s0.a0.r0", [("zero", WRONG)], 0.0),
    ]
    made = tree([TRUNK, *plays], [fork("t0.s0", "zero", WRONG, reviews=[review])])
    [found] = critique_values(made, action_values(made, level=0.9), level=0.9)
    assert (found.unchanged_n, found.executed_n, found.executed_successes) == (1, 1, 0.0)


@pytest.mark.parametrize(("verdict", "worth"), [(Approve(), None), (None, None), (OBJECTION, "undecided")])
def test_without_plays_in_both_arms_nothing_is_claimed(verdict: Verdict | None, worth: str | None) -> None:
    arms: list[tuple[Returns, Returns]] = [([], []), ([1.0], []), ([], [1.0]), ([None], [1.0])]
    for delivered, executed in arms:
        found = _critique(delivered, executed, verdict)
        assert (found.worth, found.uplift_mean, found.uplift_lower, found.uplift_upper) == (worth, None, None, None)


def test_an_action_that_nobody_judged_has_no_critique() -> None:
    made = tree([TRUNK], [fork("t0.s0", "zero", WRONG, RIGHT)])
    assert critique_values(made, action_values(made, level=0.9), level=0.9) == []


def test_pairs_that_go_together_are_corrected_for_continuity_and_those_that_oppose_are_not() -> None:
    # both succeed 4 times, both fail 4 times, once only the first: (ad - bc - n/2) / sqrt(product of the margins)
    pairs = [(1.0, 1.0)] * 4 + [(0.0, 0.0)] * 4 + [(1.0, 0.0)]
    assert correlation(pairs) == pytest.approx((16 - 4.5) / (5 * 4 * 4 * 5) ** 0.5)
    assert correlation([(1.0, 0.0), (0.0, 1.0)]) == pytest.approx(-1.0)
    assert correlation([(1.0, 1.0), (1.0, 0.0)]) == correlation([]) == 0.0


COUNT = st.integers(1, 12)


@given(st.tuples(COUNT, COUNT, st.integers(0, 12), st.integers(0, 12)), st.floats(-1, 1))
def test_correlation_narrows_or_widens_and_without_it_the_interval_is_the_unpaired_one(
    counts: tuple[int, int, int, int], rho: float
) -> None:
    n, m, s, t = counts
    first, second = jeffreys_interval(min(s, n), n, level=0.9), jeffreys_interval(min(t, m), m, level=0.9)
    unpaired = difference_interval(first, second)
    found = paired_difference(first, second, correlation=rho)
    independent = paired_difference(first, second, correlation=0.0)
    assert [independent.lower, independent.upper] == pytest.approx([unpaired.lower, unpaired.upper])
    assert -1 <= found.lower <= found.mean <= found.upper <= 1
    if rho >= 0:
        assert unpaired.lower <= found.lower + 1e-12
        assert found.upper <= unpaired.upper + 1e-12


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_the_interval_holds_the_true_uplift_about_as_often_as_it_says(shared: float) -> None:
    """Two arms of eight rollouts that depend on one user with chance `shared`; the truth is 0.8 − 0.5."""
    chance, held, cells = random.Random(5), 0, 1500
    for _ in range(cells):
        pairs = [_pair(chance, shared) for _ in range(8)]
        found = _critique([a for a, _ in pairs], [b for _, b in pairs])
        assert found.uplift_lower is not None
        assert found.uplift_upper is not None
        held += found.uplift_lower <= 0.3 <= found.uplift_upper
    assert held / cells > 0.88


def _pair(chance: random.Random, shared: float) -> tuple[float, float]:
    luck = chance.random()
    first = luck if chance.random() < shared else chance.random()
    second = luck if chance.random() < shared else chance.random()
    return float(first < 0.8), float(second < 0.5)
