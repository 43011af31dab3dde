"""Which of two siblings is better."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.labels import LabelRule, label_actions
from labeling.preferences import preferences
from labeling.records import ActionValue
from tests.labeling.values import value_of
from tests.toy import press

RULE = LabelRule(delta=0.2, approve_level=0.8, revise_level=0.95)
COUNTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=4)


def _values(counts: list[tuple[int, int]]) -> list[ActionValue]:
    return [value_of(index, press(str(index)), min(s, n), n) for index, (s, n) in enumerate(counts)]


def test_values_far_apart_make_a_preference_with_its_gain() -> None:
    [found] = preferences(_values([(0, 8), (8, 8)]), RULE)
    assert (found.fork_path, found.chosen_index, found.rejected_index, found.gain_mean) == ("t0.s1", 1, 0, 1.0)
    assert 0 < found.gain_lower < 1 == found.gain_upper


@pytest.mark.parametrize("counts", [[(4, 8), (5, 8)], [(1, 1), (0, 1)], [(8, 8), (0, 0)], [(600, 1000), (500, 1000)]])
def test_values_that_may_be_equal_or_differ_by_less_than_delta_make_none(counts: list[tuple[int, int]]) -> None:
    assert preferences(_values(counts), RULE) == []


def test_actions_of_different_forks_are_never_compared() -> None:
    good, bad = _values([(8, 8), (0, 8)])
    assert preferences([good, replace(bad, fork_path="t0.s2")], RULE) == []


@given(COUNTS, st.floats(0.05, 0.95))
def test_preferences_order_the_actions_and_stand_behind_every_revision(
    counts: list[tuple[int, int]], delta: float
) -> None:
    rule, values = replace(RULE, delta=delta), _values(counts)
    found = preferences(values, rule)
    pairs = {(made.chosen_index, made.rejected_index) for made in found}
    assert not pairs & {(rejected, chosen) for chosen, rejected in pairs}
    assert all((values[chosen].mean or 0) > (values[rejected].mean or 0) for chosen, rejected in pairs)
    revised = {label.action_index for label in label_actions(values, rule) if label.label == "revise"}
    assert revised == {rejected for _, rejected in pairs}
