"""Values and labels from counts."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.labels import LabelRule, label_actions
from labeling.records import ActionValue
from rollouts.episode import Approve, Revise, Verdict
from tests.labeling.values import value_of
from tests.toy import press

RULE = LabelRule(delta=0.2, approve_level=0.8, revise_level=0.95)


def _value(index: int, successes: int, n: int) -> ActionValue:
    return value_of(index, press(str(index)), successes, n)


@pytest.mark.parametrize(
    ("counts", "labels"),
    [
        ([(0, 8), (8, 8)], [("revise", "better_sibling"), ("approve", "near_certain")]),
        ([(0, 8), (0, 8)], [("abstain", "hopeless"), ("abstain", "hopeless")]),
        ([(0, 8), (2, 8)], [("abstain", "undecided"), ("approve", "no_better_sibling")]),
        ([(4, 8), (4, 8)], [("abstain", "undecided"), ("abstain", "undecided")]),
        ([(4, 8)], [("abstain", "no_sibling")]),
        ([(8, 8)], [("approve", "near_certain")]),
        ([(30, 60), (0, 60)], [("approve", "no_better_sibling"), ("revise", "better_sibling")]),
        ([(0, 0), (8, 8)], [("abstain", "no_evidence"), ("approve", "near_certain")]),
        ([(8, 8), (0, 0)], [("approve", "near_certain"), ("abstain", "no_evidence")]),
    ],
)
def test_the_rule_reads_the_intervals(counts: list[tuple[int, int]], labels: list[tuple[str, str]]) -> None:
    values = [_value(index, *count) for index, count in enumerate(counts)]
    assert [(label.label, label.reason) for label in label_actions(values, RULE)] == labels


def _sequential(*counts: tuple[int, int]) -> list[ActionValue]:
    """The actor nearly always does what the last of them does."""
    values = [replace(_value(index, *count), stop_reason="decided", draws=12) for index, count in enumerate(counts)]
    values[-1] = replace(values[-1], multiplicity=13 - len(counts))
    return values


@pytest.mark.parametrize(
    ("counts", "labels"),
    [
        ([(0, 10), (10, 10)], [("revise", "better_sibling"), ("approve", "no_better_sibling")]),
        ([(1, 6), (6, 7)], [("revise", "probable_loss"), ("approve", "no_better_sibling")]),
        ([(2, 6), (4, 7)], [("abstain", "undecided"), ("approve", "improbable_loss")]),
        ([(70, 80), (70, 80)], [("approve", "no_better_sibling")] * 2),
        ([(11, 12), (11, 12)], [("approve", "improbable_loss")] * 2),
        ([(40, 40), (0, 40)], [("approve", "near_certain"), ("revise", "better_sibling")]),
        ([(11, 12)], [("approve", "no_other_action")]),
        ([(0, 8), (0, 8)], [("abstain", "hopeless")] * 2),
    ],
)
def test_where_sampling_stopped_on_what_it_saw_the_reason_says_what_a_label_rests_on(
    counts: list[tuple[int, int]], labels: list[tuple[str, str]]
) -> None:
    assert [(label.label, label.reason) for label in label_actions(_sequential(*counts), RULE)] == labels


@given(st.lists(st.tuples(st.integers(0, 24), st.integers(0, 24)), min_size=1, max_size=3))
def test_what_the_anytime_valid_intervals_decide_those_for_a_fixed_number_decide_too(
    counts: list[tuple[int, int]],
) -> None:
    values = _sequential(*((min(s, n), n) for s, n in counts))
    fixed = label_actions([replace(value, stop_reason="fixed_count") for value in values], RULE)
    for label, other in zip(label_actions(values, RULE), fixed, strict=True):
        if label.reason not in ("improbable_loss", "probable_loss") and label.label != "abstain":
            assert label.label == other.label
        if label.gain_lower is not None and other.gain_lower is not None:
            assert label.gain_lower <= other.gain_lower


def test_one_action_that_was_sampled_sequentially_makes_the_whole_tree_sequential() -> None:
    """Its plays are free evidence at the forks after it."""
    values = [replace(value, stop_reason="fixed_count") for value in _sequential((1, 6), (6, 7))]
    elsewhere = replace(_value(0, 3, 4), fork_path="t0.s0", stop_reason="cap")
    assert label_actions(values, RULE)[0].reason == "better_sibling"
    assert label_actions([*values, elsewhere], RULE)[0].reason == "probable_loss"


@pytest.mark.parametrize(
    ("draws", "counts", "reason"),
    [
        (6, (4, 8), "no_other_action"),
        (3, (4, 8), "no_sibling"),
        (6, (1, 16), "no_sibling"),
        (6, (0, 8), "hopeless"),
        (6, (0, 0), "no_evidence"),
        (1, (4, 8), "no_sibling"),
    ],
)
def test_an_action_beside_which_the_actor_drew_nothing_else_is_approved_once_it_drew_often_enough(
    draws: int, counts: tuple[int, int], reason: str
) -> None:
    [label] = label_actions([replace(_value(0, *counts), multiplicity=draws, draws=draws)], RULE)
    assert label.reason == reason
    assert label.label == ("approve" if reason == "no_other_action" else "abstain")


def test_an_action_alone_loses_delta_no_more_often_than_the_level_says() -> None:
    """Over actors that do something better with every chance from 0 to 1: V - Q = f (1 - q)."""
    wrong = approved = 0
    chance = random.Random(3)
    for _ in range(20_000):
        other, worth = chance.random(), chance.random()
        if any(chance.random() < other for _ in range(5)):
            continue
        successes = sum(chance.random() < worth for _ in range(8))
        [label] = label_actions([replace(_value(0, successes, 8), multiplicity=6, draws=6)], RULE)
        approved += label.label == "approve"
        wrong += label.label == "approve" and other * (1 - worth) >= RULE.delta
    assert approved > 1000
    assert wrong / approved <= 1 - RULE.approve_level


def test_a_label_names_its_rival_and_the_gain_with_its_interval() -> None:
    [bad, _] = label_actions([_value(0, 1, 8), _value(1, 8, 8)], RULE)
    assert (bad.label, bad.rival_index) == ("revise", 1)
    assert bad.gain_mean == pytest.approx(7 / 8)
    assert bad.gain_lower is not None
    assert bad.gain_upper is not None
    assert 0 < bad.gain_lower < 7 / 8 < bad.gain_upper <= 1


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=4), st.floats(0.05, 0.95))
def test_no_fork_asks_to_revise_its_best_action(counts: list[tuple[int, int]], delta: float) -> None:
    values = [_value(i, min(s, n), n) for i, (s, n) in enumerate(counts)]
    labels = label_actions(values, replace(RULE, delta=delta))
    assert [label.action_index for label in labels] == [value.action_index for value in values]
    known = [value for value in values if value.n]
    if known:
        best = max(known, key=lambda value: value.mean or 0.0)
        assert labels[best.action_index].label != "revise"


def test_forks_are_judged_apart() -> None:
    other = replace(_value(0, 0, 8), fork_path="t0.s2")
    labels = label_actions([_value(0, 8, 8), other], RULE)
    assert [label.label for label in labels] == ["approve", "abstain"]


def test_the_first_error_is_the_first_step_of_the_trunk_that_should_have_been_revised() -> None:
    bad, good = _value(0, 0, 8), _value(1, 8, 8)
    forks = [
        [replace(value, fork_path=f"t0.s{step}", step=step) for value in values]
        for step, values in (
            (7, (bad, good)),
            (3, (bad, good)),
            (1, (replace(bad, action_index=1), replace(good, action_index=0))),
        )
    ]
    labels = label_actions([value for values in forks for value in values], RULE)
    assert {label.first_error for label in labels} == {3}
    sound = label_actions(forks[2], RULE)
    assert [label.label for label in sound] == ["revise", "approve"]
    assert {label.first_error for label in sound} == {None}


@pytest.mark.parametrize(
    ("verdict", "consensus"),
    [
        (Approve(), ["disagree", "agree"]),
        (Revise(feedback="No."), ["agree", "disagree"]),
        (None, ["none", "none"]),
    ],
)
def test_the_critics_word_moves_no_label_and_is_told_beside_it(verdict: Verdict | None, consensus: list[str]) -> None:
    values = [_value(0, 0, 8), _value(1, 8, 8)]
    verdicts = {("t0.s1", index): verdict for index in (0, 1)} if verdict else {}
    labels = label_actions(values, RULE, verdicts)
    assert [label.consensus for label in labels] == consensus
    assert [replace(label, consensus="none") for label in labels] == label_actions(values, RULE)


def test_with_an_abstention_nobody_can_agree() -> None:
    values = [_value(0, 0, 8), _value(1, 0, 8)]
    labels = label_actions(values, RULE, {("t0.s1", 0): Approve()})
    assert [(label.label, label.consensus) for label in labels] == [("abstain", "none")] * 2
