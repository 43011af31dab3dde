"""The policy's view of a growing tree."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from rollouts.episode import Draft, Review, Revise
from rollouts.fork_views import ActionView, TreeView
from rollouts.tree_views import TreeViews
from tests.rollouts.plays import OTHER, RIGHT, WRONG, episode, fork

TRUNKS = [
    episode("t0", [("zero", RIGHT), ("one", RIGHT), ("two", RIGHT)], 0.0),
    episode("t1", [("zero", RIGHT), ("one", WRONG), ("other", RIGHT)], 1.0),
]
FORKS = [
    fork("t0.s0", "zero", RIGHT),
    fork("t0.s1", "one", RIGHT, WRONG),
    fork("t0.s2", "two", RIGHT, OTHER),
    fork("t1.s1", "one", WRONG, RIGHT),
]
STARTS = ["t0.s0.a0", "t0.s1.a0", "t0.s1.a1", "t0.s2.a1", "t1.s1.a1", "t0.s1.a1.c0"]
STATES = {"0": ["zero", "one", "two"], "1": ["one", "two"], "2": ["two"]}
PLAYS = st.lists(
    st.tuples(st.sampled_from(STARTS), st.sampled_from([RIGHT, WRONG]), st.none() | st.floats(0, 1)), max_size=12
)
CRITIQUE = Review(draft=WRONG, verdict=Revise(feedback="Not that one."), score=0.25)


def _planted() -> TreeViews:
    views = TreeViews()
    for trunk in TRUNKS:
        views.trunk(trunk)
    for made in FORKS:
        views.fork(made, calls=2)
    views.reviewed("t0.s1", 1, CRITIQUE, calls=1)
    return views


@given(PLAYS, st.integers(1, 4), st.randoms(use_true_random=False))
def test_a_view_made_bit_by_bit_equals_one_made_at_once_in_any_order(
    plays: list[tuple[str, Draft, float | None]], batch: int, shuffled: random.Random
) -> None:
    episodes = [
        episode(f"{start}.r{index}", [(name, action) for name in STATES[start[4]]], value)
        for index, (start, action, value) in enumerate(plays)
    ]
    slowly, at_once = _planted(), _planted()
    for index, played in enumerate(episodes):
        slowly.branch(played)
        if index % batch == 0:
            slowly.view()
    for played in shuffled.sample(episodes, len(episodes)):
        at_once.branch(played)
    assert slowly.view() == at_once.view()


def test_what_nothing_happened_to_is_the_same_object() -> None:
    views = _planted()
    before = views.view()
    views.branch(episode("t0.s2.a1.r0", [("two", OTHER)], 1.0))
    after = views.view()
    assert after.trunks[1] is before.trunks[1]
    assert after.trunks[0].steps[:2] == before.trunks[0].steps[:2]
    assert all(new is old for new, old in zip(after.trunks[0].steps[:2], before.trunks[0].steps[:2], strict=True))
    assert after.trunks[0].steps[2].actions[0] is before.trunks[0].steps[2].actions[0]
    assert after.trunks[0].steps[2].actions[1].n == 1


def test_a_play_is_seen_at_every_fork_that_it_passes() -> None:
    views = _planted()
    views.branch(episode("t0.s0.a0.r0", [("zero", RIGHT), ("one", WRONG), ("other", RIGHT)], 1.0))
    view = views.view()
    assert _action(view, 0, 0, 0).n == 1
    assert (_action(view, 0, 1, 1).free_n, _action(view, 1, 1, 0).free_n, _action(view, 0, 1, 0).free_n) == (1, 1, 0)
    assert _action(view, 0, 1, 1).n == _action(view, 0, 1, 1).launched == 0


def test_calls_are_those_of_trunks_branches_forks_and_the_critic() -> None:
    views = _planted()
    views.branch(episode("t0.s0.a0.r0", [("zero", RIGHT)], 1.0))
    assert views.view().calls == len(TRUNKS) + 2 * len(FORKS) + 1 + 1
    assert [trunk.calls for trunk in views.view().trunks] == [1, 1]


def test_a_critique_is_seen_with_the_plays_in_which_it_was_delivered() -> None:
    views = _planted()
    views.branch(episode("t0.s1.a1.c0.r0", [("one", RIGHT)], 1.0))
    views.branch(episode("t0.s1.a1.c0.r1", [("one", RIGHT)], None))
    action = _action(views.view(), 0, 1, 1)
    assert (action.judged, action.score) == (True, 0.25)
    assert action.critique is not None
    assert (action.critique.launched, action.critique.n, action.critique.failures) == (2, 1, 1)
    assert (action.launched, action.free_n) == (0, 0)
    assert _action(views.view(), 0, 1, 0).critique is None
    assert not _action(views.view(), 0, 1, 0).judged


def test_more_draws_at_an_open_fork_keep_what_was_known_of_its_actions() -> None:
    views = _planted()
    views.branch(episode("t0.s1.a1.r0", [("one", WRONG)], 1.0))
    views.fork(fork("t0.s1", "one", RIGHT, WRONG, OTHER, draws=9), calls=6)
    step = views.view().trunks[0].steps[1]
    assert (step.draws, [action.n for action in step.actions]) == (9, [0, 1, 0])


def test_a_fork_is_seen_to_have_been_opened_again_even_if_that_gave_nothing() -> None:
    views = _planted()
    views.fork(FORKS[1], calls=0)
    steps = views.view().trunks[0].steps
    assert [step.openings for step in steps] == [1, 2, 1]


def _action(view: TreeView, trunk: int, step: int, action: int) -> ActionView:
    return view.trunks[trunk].steps[step].actions[action]
