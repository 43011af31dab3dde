"""Which tasks are held out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.errors import UsageError
from storage.export.splits import TaskKey, assign_splits

TASKS: st.SearchStrategy[list[TaskKey]] = st.lists(
    st.tuples(st.sampled_from(["retail", "airline"]), st.text(max_size=3))
)
SHARES = st.floats(0, 0.99)
SEEDS = st.integers(0, 5)


def many(count: int) -> list[TaskKey]:
    return [("retail", str(index)) for index in range(count)]


@given(TASKS, SHARES, SEEDS)
def test_every_task_is_in_one_split_and_none_is_empty(tasks: list[TaskKey], share: float, seed: int) -> None:
    splits = assign_splits(tasks, validation_share=share, seed=seed)
    assert splits.keys() == set(tasks)
    if len(splits) > 1 and share > 0:
        assert set(splits.values()) == {"train", "validation"}
    if share == 0:
        assert "validation" not in splits.values()


@given(TASKS, TASKS, SHARES, SEEDS)
def test_more_tasks_move_a_task_at_most_to_fill_an_empty_split(
    tasks: list[TaskKey], more: list[TaskKey], share: float, seed: int
) -> None:
    before = assign_splits(tasks, validation_share=share, seed=seed)
    after = assign_splits([*more, *tasks], validation_share=share, seed=seed)
    moved = [task for task in before if before[task] != after[task]]
    assert len(moved) <= 2


def test_the_share_is_kept_on_the_whole() -> None:
    splits = assign_splits(many(2000), validation_share=0.1, seed=0)
    assert 160 <= list(splits.values()).count("validation") <= 240


def test_another_seed_holds_out_others() -> None:
    first, second = (assign_splits(many(200), validation_share=0.2, seed=seed) for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, float("nan")])
def test_a_share_that_leaves_nothing_to_train_on_is_refused(share: float) -> None:
    with pytest.raises(UsageError, match="validation_share must be at least 0 and below 1"):
        assign_splits(many(3), validation_share=share, seed=0)
