"""How hard a scripted actor finds its tasks: shares, targets, blind spots."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.scripted import FLAT, PERFECT, Difficulty, ErrorRates
from actors.scripted_errors import BlindSpot, ErrorKind, Profile, grade
from actors.scripted_plan import gold_plan
from rollouts.episode import Task
from rollouts.estimates import jeffreys_interval
from tests.exact_values import ExactValues
from tests.scripted.plays import SOMETIMES, cast_for
from tests.scripted.shop import CANCEL, EXCHANGE, FIND, LOOK, ShopEnvironment, shop_task

SHOP = ShopEnvironment()
NEVER = Difficulty(always_solved=0.0, never_solved=1.0)
NUM_TASKS = 2000


def profile(task: Task, difficulty: Difficulty, *, seed: int = 0, rates: ErrorRates = SOMETIMES) -> Profile:
    return grade(gold_plan(task, SHOP.briefing(task)), rates=rates, difficulty=difficulty, seed=seed)


def value(task: Task, difficulty: Difficulty, *, seed: int = 0) -> float:
    cast, _ = cast_for(task, errors=SOMETIMES, difficulty=difficulty, seed=seed)
    return ExactValues(SHOP, cast, task).start(30)


def test_tasks_fall_into_the_kinds_at_the_given_shares() -> None:
    difficulty = Difficulty(always_solved=0.2, never_solved=0.15, as_given=0.1)
    profiles = [profile(shop_task(f"task {index}", CANCEL), difficulty) for index in range(NUM_TASKS)]
    counts = {
        0.2: sum(found.rates == PERFECT for found in profiles),
        0.15: sum(bool(found.blind_spots) for found in profiles),
        0.1: sum(found.rates == SOMETIMES and not found.blind_spots for found in profiles),
    }
    for share, count in counts.items():
        interval = jeffreys_interval(count, NUM_TASKS, level=0.999)
        assert interval.lower < share < interval.upper


def test_another_seed_makes_other_tasks_hard() -> None:
    tasks = [shop_task(f"task {index}", CANCEL) for index in range(50)]
    first, second = ([profile(task, Difficulty(), seed=seed) for task in tasks] for seed in (0, 1))
    assert first != second
    assert first == [profile(task, Difficulty(), seed=0) for task in tasks]


def test_an_always_solved_task_is_solved_for_certain() -> None:
    task = shop_task("easy", FIND, LOOK, EXCHANGE, CANCEL, info=["42.50"])
    assert math.isclose(value(task, Difficulty(always_solved=1.0, never_solved=0.0)), 1.0)


@pytest.mark.parametrize("seed", range(12))
def test_a_never_solved_task_fails_for_certain_by_the_same_mistake(seed: int) -> None:
    task = shop_task("hopeless", FIND, LOOK, EXCHANGE, CANCEL, info=["a refund of 42.50"])
    assert profile(task, NEVER, seed=seed).blind_spots
    assert value(task, NEVER, seed=seed) == 0.0


def test_every_kind_of_blind_spot_is_met() -> None:
    task = shop_task("hopeless", FIND, LOOK, EXCHANGE, CANCEL, info=["42.50"])
    kinds = {spot.kind for seed in range(60) for spot in profile(task, NEVER, seed=seed).blind_spots}
    assert kinds == {
        ErrorKind.WRONG_ARGUMENT,
        ErrorKind.SKIPPED_WRITE,
        ErrorKind.PREMATURE_GOODBYE,
        ErrorKind.PREMATURE_TRANSFER,
        ErrorKind.MISSING_INFORMATION,
    }


def test_a_task_that_wants_no_write_is_failed_by_one_that_was_not_called_for() -> None:
    pending = shop_task("look only", FIND, {"name": "get_order", "arguments": {"order_id": "#W1000003"}})
    assert profile(pending, NEVER).blind_spots == (BlindSpot(cursor=2, kind=ErrorKind.WRONG_TOOL),)
    assert value(pending, NEVER) == 0.0


def test_a_task_that_cannot_be_failed_has_no_blind_spot() -> None:
    assert profile(shop_task("nothing to do"), NEVER).blind_spots == ()


@pytest.mark.parametrize("name", ["a", "b", "c", "d"])
def test_values_of_mixed_tasks_follow_their_targets(name: str) -> None:
    task = shop_task(name, FIND, LOOK, EXCHANGE, CANCEL)
    hard, easy = (
        value(task, Difficulty(always_solved=0, never_solved=0, hardest=target, easiest=target))
        for target in (0.2, 0.8)
    )
    assert 0.05 < hard < easy - 0.2 and easy < 0.95


@given(factor=st.floats(0, 1000))
def test_scaled_rates_stay_probabilities_that_leave_room_for_the_right_action(factor: float) -> None:
    scaled = ErrorRates().scaled(factor)
    assert scaled.wrong_argument + scaled.skipped_write + scaled.unconfirmed_write <= 0.9 + 1e-9
    assert scaled.ignored_feedback == ErrorRates().ignored_feedback


def test_without_difficulty_the_rates_are_those_given() -> None:
    assert profile(shop_task("any", CANCEL), FLAT) == Profile(rates=SOMETIMES)


@pytest.mark.parametrize(
    ("always", "never", "message"), [(0.8, 0.3, "shares of at most 1"), (-0.1, 0.3, "shares of at most 1")]
)
def test_shares_that_do_not_fit_are_refused(always: float, never: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Difficulty(always_solved=always, never_solved=never)


def test_targets_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(ValueError, match="hardest <= easiest"):
        Difficulty(hardest=0.9, easiest=0.1)
