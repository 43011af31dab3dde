"""Action values of a finished tree, and the restart control beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from labeling.values import action_values, rollouts_saved
from rollouts.episode import Draft
from rollouts.tree import Tree
from tests.rollouts.plays import RIGHT, WRONG, episode, fork, tree

GOODBYE = Draft(text="Goodbye.")
TRUNKS = [
    episode("t0", [("zero", RIGHT), ("one", WRONG), ("three", GOODBYE)], 0.0),
    episode("t1", [("zero", RIGHT), ("one", RIGHT), ("two", RIGHT), ("four", GOODBYE)], 1.0),
    episode("t2", [("zero", RIGHT)], None),
]
FIRST = fork("t0.s0", "zero", RIGHT)
SECOND = fork("t0.s1", "one", WRONG, RIGHT)
BRANCHES = [
    episode("t0.s0.a0.r0", [("zero", RIGHT), ("one", RIGHT), ("two", RIGHT)], 1.0),
    episode("t0.s0.a0.r1", [("zero", RIGHT), ("one", WRONG)], 0.0),
    episode("t0.s1.a0.r0", [("one", WRONG)], 0.5),
    episode("t0.s1.a0.r1", [("one", WRONG)], None),
    episode("t0.s1.a1.r0", [("one", RIGHT)], 1.0),
]
TREE = tree([*TRUNKS, *BRANCHES], [FIRST, SECOND], turn_limit=4)


def test_a_value_pools_what_is_valid_and_tells_its_parts_apart() -> None:
    first, wrong, right = action_values(TREE, level=0.9)
    assert (wrong.n, wrong.successes, wrong.failures, wrong.mean) == (2, 0.5, 1, 0.25)
    assert (wrong.forced_n, wrong.forced_successes, wrong.own_policy_n, wrong.own_policy_successes) == (1, 0.5, 1, 0.0)
    assert (wrong.free_n, wrong.origin) == (1, "pooled")
    assert (right.n, right.forced_n, right.own_policy_n, right.mean) == (2, 1, 1, 1.0)
    assert (first.n, first.origin, first.free_n) == (2, "forced", 0)


def test_a_value_from_free_evidence_alone_says_so() -> None:
    unplayed = tree([*TRUNKS, *BRANCHES[:2]], [FIRST, SECOND])
    _, wrong, right = action_values(unplayed, level=0.9)
    assert [(value.origin, value.n, value.free_n) for value in (wrong, right)] == [("own_policy", 1, 1)] * 2


def test_what_no_play_counts_for_is_not_known() -> None:
    bare = tree(TRUNKS, [FIRST, SECOND])
    assert {(value.n, value.mean, value.lower, value.upper) for value in action_values(bare, level=0.9)} == {
        (0, None, 0.0, 1.0)
    }


def test_a_fresh_start_is_valued_by_the_trunks_that_fit_into_the_steps_that_are_left() -> None:
    first, second, _ = action_values(TREE, level=0.9)
    assert (first.restart_n, first.restart_successes) == (2, 1.0)
    assert (second.restart_n, second.restart_successes) == (2, 0.0)
    [unlimited, *_] = action_values(replace(TREE, turn_limit=0), level=0.9)
    assert (unlimited.restart_n, unlimited.restart_successes) == (2, 1.0)


@pytest.mark.parametrize(
    ("made", "reasons"),
    [
        (TREE, ["fixed_count", "fixed_count", "fixed_count"]),
        (replace(TREE, stop_reasons={("t0.s1", 1): "decided"}), ["fixed_count", "fixed_count", "decided"]),
        (replace(TREE, early_stop=True), ["budget", "budget", "budget"]),
        (tree(TRUNKS, [FIRST, SECOND]), ["settled_by_next", "fixed_count", "fixed_count"]),
    ],
    ids=["a silent policy", "a policy that explains itself", "cut short", "nothing was played"],
)
def test_a_value_says_why_its_sampling_ended(made: Tree, reasons: list[str]) -> None:
    assert [value.stop_reason for value in action_values(made, level=0.9)] == reasons


def test_what_is_saved_are_the_plays_that_were_not_started() -> None:
    values = action_values(TREE, level=0.9)
    assert rollouts_saved(values, rollouts=2) == 0 + 0 + 1
    assert rollouts_saved(values, rollouts=4) == 2 + 2 + 3
