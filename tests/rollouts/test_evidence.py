"""Which plays count for which action."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.episode import Draft, Episode
from rollouts.evidence import Evidence, PlayTable, settled_by_next, task_class
from rollouts.tree import Fork
from tests.rollouts.plays import OTHER, RIGHT, WRONG, episode, fork

HERE = fork("t0.s1", "one", RIGHT, WRONG)
LATER = fork("t0.s2", "two", RIGHT, WRONG)


def _evidence(plays: Sequence[Episode], at: Fork, action: int) -> Evidence:
    return PlayTable(plays).evidence(at, at.actions[action])


def _counts(plays: Sequence[Episode], at: Fork, action: int) -> tuple[int, int, int, float]:
    found = _evidence(plays, at, action)
    return found.started.n, found.elsewhere.n, found.own_policy.n, found.total.successes


def test_a_branch_counts_for_what_it_was_made_to_do_and_for_what_it_then_did_of_its_own_accord() -> None:
    plays = [episode("t0.s1.a0.r0", [("one", RIGHT), ("two", WRONG)], 1.0)]
    assert _counts(plays, HERE, 0) == (1, 0, 0, 1.0)
    assert _counts(plays, LATER, 1) == (0, 0, 1, 1.0)
    assert _counts(plays, LATER, 0) == (0, 0, 0, 0.0)


def test_a_forced_action_counts_at_every_fork_of_an_equal_state() -> None:
    plays = [episode("t1.s1.a2.r0", [("one", WRONG)], 0.5)]
    assert _counts(plays, HERE, 1) == (0, 1, 0, 0.5)


def test_a_forced_alternative_never_counts_for_an_ancestor() -> None:
    before = fork("t0.s0", "zero", RIGHT, WRONG)
    plays = [episode("t0.s1.a1.r0", [("one", WRONG), ("two", RIGHT)], 1.0)]
    assert _counts(plays, before, 0) == _counts(plays, before, 1) == (0, 0, 0, 0.0)
    assert _counts(plays, HERE, 0) == (0, 0, 0, 0.0)


def test_a_trunk_counts_for_nothing_since_its_outcome_chose_what_is_forked() -> None:
    plays = [episode(path, [("one", RIGHT), ("two", RIGHT)], 0.0) for path in ("t0", "t1")]
    assert _counts(plays, HERE, 0) == _counts(plays, LATER, 0) == (0, 0, 0, 0.0)


def test_a_revision_is_evidence_about_the_critique_and_its_later_steps_about_themselves() -> None:
    plays = [episode("t0.s1.a1.c0.r0", [("one", RIGHT), ("two", RIGHT)], 1.0)]
    table = PlayTable(plays)
    assert table.delivered("t0.s1", 1).n == 1
    assert _counts(plays, HERE, 0) == _counts(plays, HERE, 1) == (0, 0, 0, 0.0)
    assert _counts(plays, LATER, 0) == (0, 0, 1, 1.0)


def test_a_play_without_a_return_counts_for_nothing_but_as_a_failure_where_it_was_started() -> None:
    plays = [episode("t0.s1.a0.r0", [("one", RIGHT), ("two", WRONG)], None)]
    found = _evidence(plays, HERE, 0)
    assert (found.started.n, found.started.failures, found.started.launched) == (0, 1, 1)
    assert _counts(plays, LATER, 1) == (0, 0, 0, 0.0)


STATES_FROM = {"1": ["one", "two", "three"], "2": ["two", "three"]}
# by the step of the fork
PLAY = st.tuples(
    st.sampled_from(["t0.s1.a0", "t0.s1.a1", "t1.s1.a0", "t0.s1.a1.c0", "t0.s2.a0"]),
    st.lists(st.sampled_from([RIGHT, WRONG, OTHER]), min_size=1, max_size=3),
    st.none() | st.floats(0, 1),
)


@given(st.lists(PLAY, max_size=8), st.randoms())
def test_what_is_found_does_not_depend_on_the_order_of_arrival(
    made: list[tuple[str, list[Draft], float | None]], shuffled: object
) -> None:
    plays = [
        episode(f"{start}.r{rollout}", list(zip(STATES_FROM[start[4]], actions, strict=False)), value)
        for rollout, (start, actions, value) in enumerate(made)
    ]
    again = list(plays)
    shuffled.shuffle(again)  # type: ignore[attr-defined]
    for at, action in itertools.product((HERE, LATER), (0, 1)):
        assert _evidence(plays, at, action) == _evidence(again, at, action)
        found = _evidence(plays, at, action)
        assert 0 <= found.total.successes <= found.total.n <= len(plays)
        assert found.total.n == found.started.n + found.elsewhere.n + found.own_policy.n


TRUNK = episode("t0", [("zero", RIGHT), ("one", RIGHT), ("two", Draft(text="Goodbye."))], 1.0)


@pytest.mark.parametrize(
    ("made", "settled"),
    [
        (fork("t0.s1", "one", RIGHT), True),
        (fork("t0.s1", "one", RIGHT, draws=1), False),
        (fork("t0.s1", "one", RIGHT, WRONG), False),
        (fork("t0.s1", "one", Draft(text="Hello")), False),
        (fork("t0.s2", "two", RIGHT), False),
    ],
    ids=["one call at every draw", "drawn once only", "two actions", "the user answers", "nothing follows"],
)
def test_a_state_is_settled_by_the_next_when_only_a_call_without_chance_lies_between(made: Fork, settled: bool) -> None:
    assert settled_by_next(made, TRUNK) is settled


@pytest.mark.parametrize(
    ("returns", "expected"),
    [([1.0, 1.0], "solved"), ([0.0, 0.5], "failed"), ([1.0, 0.0, None], "mixed"), ([None], None), ([], None)],
)
def test_the_trunks_class_a_task_by_the_returns_that_are_known(
    returns: list[float | None], expected: str | None
) -> None:
    trunks = [episode(f"t{index}", [("zero", RIGHT)], value) for index, value in enumerate(returns)]
    assert task_class(trunks) == expected
