"""Which tasks are held out. A task is in exactly one split, whatever the number of its rows.

Whether a task is held out depends on (seed, domain, task id) alone, so it stays on its side in every export of every run with
that seed. The two exceptions keep a split from being empty: see `assign_splits`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from rollouts.errors import UsageError
from rollouts.seeds import SEED_BITS, derive_seed

SplitName: TypeAlias = Literal["train", "validation"]
TaskKey: TypeAlias = tuple[str, str]
# domain, task id


def assign_splits(tasks: Iterable[TaskKey], *, validation_share: float, seed: int) -> dict[TaskKey, SplitName]:
    """The split of each task. `validation_share`: the expected share of tasks held out, in [0, 1); 0 holds out none.

    Of two or more tasks the most eligible is held out even if no draw falls below the share, and the least eligible trains
    even if all do. UsageError for a share outside [0, 1).
    """
    if not 0 <= validation_share < 1:
        raise UsageError(
            f"validation_share must be at least 0 and below 1, got {validation_share}; 0.1 holds out a tenth of the tasks"
        )
    draws = {task: derive_seed(seed, "validation", *task) / 2**SEED_BITS for task in sorted(set(tasks))}
    held_out = {task for task, draw in draws.items() if draw < validation_share}
    if validation_share > 0 and len(draws) > 1:
        ranked = sorted(draws, key=lambda task: (draws[task], task))
        held_out = (held_out | {ranked[0]}) - {ranked[-1]}
    return {task: "validation" if task in held_out else "train" for task in draws}
