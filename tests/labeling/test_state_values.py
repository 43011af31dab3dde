"""What the actor makes of a state, told by its plays and, where these are few, by a critic that may be good or bad."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.conclude import conclude
from labeling.labels import LabelRule
from labeling.records import ActionValue
from labeling.state_values import with_state_values
from rollouts.episode import Approve, Review, Revise, Verdict
from rollouts.tree import Fork, Tree
from tests.labeling.values import value_of
from tests.rollouts.plays import OTHER, RIGHT, WRONG, episode, fork, tree
from tests.toy import press

Counts = tuple[int, int, int]
# multiplicity, successes, plays
COUNTS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(0, 6), st.integers(0, 6)).map(lambda c: (c[0], min(c[1], c[2]), c[2])),
    min_size=1,
    max_size=5,
)


def _made(*counts: Counts, step: int = 1, stop: str = "fixed_count") -> tuple[Fork, list[ActionValue]]:
    """A fork by hand; action 0 is the trunk's own, and counts as one draw less."""
    place, draws = f"t0.s{step}", sum(times for times, _, _ in counts)
    made = fork(place, str(step), *[press(str(index)) for index in range(len(counts))], draws=draws)
    values = [
        replace(
            value_of(index, press(str(index)), successes, n),
            fork_path=place,
            step=step,
            multiplicity=times,
            draws=draws,
            stop_reason=stop,
        )
        for index, (times, successes, n) in enumerate(counts)
    ]
    return made, values


def _scored(made: Fork, scores: Sequence[float | None], *, verdict: Verdict | None = None) -> Fork:
    reviews = [
        Review(draft=action.draft, verdict=verdict or Approve(), score=score) if score is not None or verdict else None
        for action, score in zip(made.actions, scores, strict=True)
    ]
    actions = (replace(action, review=said) for action, said in zip(made.actions, reviews, strict=True))
    return replace(made, actions=tuple(actions))


def _state(forks: Sequence[tuple[Fork, list[ActionValue]]]) -> ActionValue:
    """The first value of the first fork."""
    grown: Tree = tree([], [made for made, _ in forks])
    return with_state_values(grown, [value for _, values in forks for value in values])[0]


def test_v_is_the_mean_over_the_actors_drafts_and_its_own_first_one_does_not_count() -> None:
    found = _state([_made((2, 0, 4), (3, 4, 4))])
    assert found.state_mean == pytest.approx(3 / 4)
    assert found.critic_slope is None
    assert _state([_made((1, 0, 4), (3, 4, 4))]).state_mean == 1


@pytest.mark.parametrize("counts", [[(1, 3, 4)], [(3, 3, 4), (1, 0, 0)], [(3, 0, 0), (1, 1, 2)]])
def test_where_too_little_was_played_v_is_not_known(counts: list[Counts]) -> None:
    found = _state([_made(*counts)])
    assert (found.state_mean, found.state_lower, found.state_upper) == (None, 0.0, 1.0)


def test_drafts_that_were_not_played_count_like_those_drawn_equally_often() -> None:
    found = _state([_made((1, 0, 4), (2, 4, 4), (1, 1, 4), (1, 0, 0))])
    assert found.state_mean == pytest.approx((2 * 1 + 2 * 0.25) / 4)


def test_a_critic_that_was_right_elsewhere_tells_what_the_unplayed_drafts_are_worth() -> None:
    elsewhere = [_made((1, 0, 9), (1, 9, 9), (1, 0, 9), step=step) for step in range(2, 9)]
    right = [(_scored(made, (0.0, 1.0, 0.0)), values) for made, values in elsewhere]
    here, values = _made((1, 0, 4), (1, 0, 4), (1, 0, 0), (1, 0, 0))
    told = _state([(_scored(here, (0.0, 0.0, 1.0, 1.0)), values), *right])
    assert told.state_mean is not None
    assert told.critic_slope is not None
    assert told.critic_slope > 0.9
    assert told.state_mean == pytest.approx(told.critic_slope * 2 / 3)
    assert _state([(here, values), *elsewhere]).state_mean == 0
    alone = _state([(_scored(here, (0.0, 0.0, 1.0, 1.0)), values)])
    assert (alone.state_mean, alone.critic_slope) == (0, 0)


def test_a_verdict_is_a_score_where_the_critic_gives_no_other_and_an_unread_answer_is_none() -> None:
    elsewhere, known = _made((1, 0, 9), (1, 9, 9), (1, 0, 9), step=2)
    reviews = [
        Review(draft=RIGHT, verdict=said) for said in (Revise(feedback="No."), Approve(), Revise(feedback="No."))
    ]
    said = replace(
        elsewhere, actions=tuple(replace(a, review=r) for a, r in zip(elsewhere.actions, reviews, strict=True))
    )
    here, values = _made((1, 0, 4), (1, 0, 4), (1, 0, 0))
    assert (_state([(_scored(here, (None,) * 3, verdict=Approve()), values), (said, known)]).critic_slope or 0) > 0
    unread = replace(here, actions=tuple(replace(a, review=Review(draft=RIGHT, verdict=None)) for a in here.actions))
    assert _state([(unread, values), (said, known)]).critic_slope is None


@given(COUNTS, st.lists(st.floats(0, 1), min_size=5, max_size=5), st.sampled_from(["fixed_count", "decided"]))
def test_the_interval_holds_the_mean_and_knows_no_score(counts: list[Counts], scores: list[float], stop: str) -> None:
    made, values = _made(*counts, stop=stop)
    found = _state([(_scored(made, scores[: len(counts)]), values)])
    assert found.state_lower <= (found.state_mean if found.state_mean is not None else 0.5) <= found.state_upper
    silent = _state([(made, values)])
    if all(n for _, _, n in counts):
        assert found.critic_slope is None
        assert found == silent


@pytest.mark.parametrize(
    "said",
    [
        lambda value, chance: value,
        lambda value, chance: chance.random(),
        lambda value, chance: 1 - value,
    ],
)
def test_v_is_unbiased_and_covered_whatever_the_critic_says(said: Callable[[float, random.Random], float]) -> None:
    """Twelve drafts of values 0.1 and 0.9, three of them played; a thousand states."""
    errors, held = [], 0
    for seed in range(50):
        chance, forks = random.Random(seed), []
        for step in range(20):
            true = [chance.choice([0.1, 0.9]) for _ in range(13)]
            counts = [
                (1, sum(chance.random() < q for _ in range(4)) if i < 4 else 0, 4 * (i < 4)) for i, q in enumerate(true)
            ]
            made, values = _made(*counts, step=step)
            forks.append((_scored(made, [said(q, chance) for q in true]), values))
        grown = tree([], [made for made, _ in forks])
        for value in with_state_values(grown, [value for _, values in forks for value in values]):
            if value.action_index == 0 and value.state_mean is not None:
                errors.append(value.state_mean - 0.5)
                held += value.state_lower <= 0.5 <= value.state_upper
    assert len(errors) == 1000
    assert sum(errors) / 1000 == pytest.approx(0, abs=0.03)
    assert held / 1000 >= 0.8


def test_scores_change_no_action_value_and_no_label() -> None:
    made = fork("t0.s0", "one", RIGHT, WRONG, OTHER, draws=4)
    plays = [episode("t0", [("one", RIGHT)], 0.0)]
    plays += [
        episode(f"t0.s0.a{a}.r{r}", [("one", d)], float(a)) for a, d in ((0, RIGHT), (1, WRONG)) for r in range(6)
    ]
    rule = LabelRule(delta=0.2, approve_level=0.8, revise_level=0.95)
    silent = conclude(tree(plays, [made]), level=0.8, rule=rule, uplift_level=0.9)
    told = conclude(tree(plays, [_scored(made, (0.9, 0.1, 0.5))]), level=0.8, rule=rule, uplift_level=0.9)
    assert [replace(value, critic_slope=None) for value in told.values] == list(silent.values)
    assert [replace(label, consensus="none") for label in told.labels] == list(silent.labels)
