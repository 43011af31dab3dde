"""Enough simulated trees to know their mean and their spread, and no more."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, pstdev, variance

from rollouts.forecasting.predict import calls_of
from rollouts.forecasting.profiles import CallRates, Chances, TaskProfile
from rollouts.forecasting.simulated_tree import MOST_PLAYS, simulated
from rollouts.forecasting.tally import Growth, TreeTally, mean_tally
from rollouts.fork_views import ForkPolicy

FEWEST_TREES = 48
# the mean's own error is then a seventh of one tree's
FEWEST_OF_A_TASK = 2
# or chance and the tasks could not be told apart
MOST_TASKS = 64
PLAYS_IN_ALL = 12_000
# two or three seconds; policies that sample until something is decided take longest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    mean: TreeTally
    spread: float
    # standard deviation of one tree's calls, over their mean
    spread_of_a_task: float
    # likewise, of trees of one task
    chains: tuple[float, ...]
    # of each tree, ascending

    def longest_chain(self, num_trees: int) -> float:
        """Of so many trees, as it is to be expected."""
        return self.chains[min(len(self.chains) - 1, len(self.chains) * num_trees // (num_trees + 1))]


def sample(
    policy: ForkPolicy, tasks: Sequence[TaskProfile], *, chances: Chances, rates: CallRates, seed: int = 0
) -> Sample:
    """Every task equally often, or of many some at random, as far as PLAYS_IN_ALL reach. At least one task."""
    chosen = random.Random(seed).sample(tasks, min(len(tasks), MOST_TASKS))
    times = max(FEWEST_OF_A_TASK, -(-FEWEST_TREES // len(chosen)))
    trees: list[TreeTally] = []
    left = float(PLAYS_IN_ALL)
    for index, task in enumerate(chosen * times):
        chance = random.Random(f"{seed}/{index}")
        trees.append(simulated(policy, task, chances=chances, rates=rates, chance=chance, most_plays=MOST_PLAYS))
        left -= trees[-1].trunks + trees[-1].branches
        if left <= 0:
            break
    calls = [sum(made.num for made in calls_of(tree, rates).values()) for tree in trees]
    return Sample(
        mean=mean_tally(trees),
        spread=pstdev(calls) / fmean(calls),
        spread_of_a_task=_spread_within([calls[first :: len(chosen)] for first in range(len(chosen))]) / fmean(calls),
        chains=tuple(sorted(tree.longest_chain for tree in trees)),
    )


def _spread_within(groups: Sequence[Sequence[float]]) -> float:
    """Standard deviation within the groups; of those with one member only, nothing is known and all counts."""
    several = [group for group in groups if len(group) > 1]
    if not several:
        return pstdev([group[0] for group in groups if group])
    return math.sqrt(fmean(variance(group) for group in several))


def grown(found: Sample, growth: Growth) -> Sample:
    return replace(found, mean=found.mean.scaled(growth))
