"""Paths that name places, and what they say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.tree import branch_path, branch_place, path_order, revised_path, step_path, trunk_path

NUMBER = st.integers(0, 99)
BRANCH = st.tuples(NUMBER, NUMBER, NUMBER, st.booleans())


@given(NUMBER, st.lists(BRANCH, min_size=1, max_size=3))
def test_a_branch_says_where_it_began_and_what_began_it(trunk: int, branches: list[tuple[int, int, int, bool]]) -> None:
    path = parent = trunk_path(trunk)
    for step, action, rollout, revised in branches:
        parent = path
        path = (revised_path if revised else branch_path)(step_path(parent, step), action, rollout)
    place = branch_place(path)
    assert place is not None
    assert (place.parent_path, place.fork_path) == (parent, step_path(parent, step))
    assert (place.step, place.action, place.rollout) == (step, action, rollout)
    assert place.critique == (0 if revised else None)
    assert path_order(path) > path_order(parent)


def test_a_trunk_began_nowhere() -> None:
    assert branch_place("t12") is None


@pytest.mark.parametrize(
    "wrong", ["", "t0.s4", "t0.s4.a1", "t0.s4.a1.c0", "t0.s4.r1", "t0.s4.c0.a1.r0", "t0 ", "t0.s4.a1.r1\n"]
)
def test_what_names_no_episode_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"t0\.s4\.a1\.c0\.r2"):
        branch_place(wrong)
