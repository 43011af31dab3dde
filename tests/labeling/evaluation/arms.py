"""Trials drawn at random, and built from plain tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import strategies as st

from labeling.evaluation.resampling import Resampling
from labeling.evaluation.trials import Missing, Scored, Trial
from rollouts.episode import Spend

QUICK = Resampling(level=0.95, resamples=100, seed=0)


def trial(task_id: str, index: int, solved: bool | None, *, revisions: int = 0, spend: Spend | None = None) -> Trial:
    """None: without a return."""
    result = Missing(reason="timeout") if solved is None else Scored(returned=float(solved), stop="user_stop")
    return Trial(task_id=task_id, index=index, result=result, revisions=revisions, spend=spend or Spend())


def arm(tasks: Mapping[str, Sequence[bool | None]]) -> list[Trial]:
    return [trial(task_id, index, solved) for task_id, trials in tasks.items() for index, solved in enumerate(trials)]


def arms(*, with_missing: bool) -> st.SearchStrategy[list[Trial]]:
    """Up to 6 tasks with 3 trials each."""
    result = st.sampled_from([True, False, None] if with_missing else [True, False])
    trials = st.lists(result, min_size=3, max_size=3)
    return st.dictionaries(st.sampled_from("abcdef"), trials, max_size=6).map(arm)
