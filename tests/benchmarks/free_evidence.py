"""How many rollouts free evidence saves: τ² retail, stand-ins, `every_step`, with and without it.

    python -m tests.benchmarks.free_evidence [rollouts ...]

The same forks are valued three times: every action by its own rollouts alone; with plays that pass an action of their own accord
counted for it; and with states left out whose value is the next one's. "n per action" is what the values then rest on.
The last line is what a policy's request costs beside the play itself, in a tree of 10,000 branches that is asked for one at a time.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from infra.casting import casting
from infra.config import RunConfig, load_config
from infra.pipeline import branching, open_environment, plan
from labeling.values import action_values
from rollouts.branching import fork_policy
from rollouts.fork_views import ActionView, ForkPolicy, Request, StepView, TreeView
from rollouts.tree import Tree
from rollouts.tree_views import TreeViews
from tests.benchmarks.growing import grow
from tests.benchmarks.table import print_table

ROLLOUTS = (4, 8, 16)
LEVEL = 0.9
BRANCHES = 10_000
MEASURED = 2_000


class Seeing:
    """A policy that sees less than there is."""

    def __init__(self, policy: ForkPolicy, seen: Callable[[StepView], StepView]) -> None:
        self._policy = policy
        self._seen = seen

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        trunks = tuple(replace(trunk, steps=tuple(map(self._seen, trunk.steps))) for trunk in view.trunks)
        return self._policy.requests(replace(view, trunks=trunks))


def _unsettled(step: StepView) -> StepView:
    return replace(step, settled_by_next=False)


def _own_only(step: StepView) -> StepView:
    def own(action: ActionView) -> ActionView:
        return replace(action, free_n=0, free_successes=0.0)

    return replace(step, settled_by_next=False, actions=tuple(map(own, step.actions)))


DESIGNS: tuple[tuple[str, Callable[[StepView], StepView]], ...] = (
    ("own rollouts only", _own_only),
    ("free evidence", _unsettled),
    ("and settled states", lambda step: step),
)


def main() -> None:
    rows = []
    for rollouts in [int(argument) for argument in sys.argv[1:]] or ROLLOUTS:
        every = 0
        for name, seen in DESIGNS:
            trees = asyncio.run(_grown(_config(rollouts), seen))
            started = sum("." in path for tree in trees for path in tree.episodes)
            every = every or started
            rows.append([str(rollouts), name, f"{started:,}", f"{1 - started / every:.1%}", *_told(trees)])
    print_table(["rollouts", "design", "branches", "saved", "calls", "n per action"], rows)
    branches, cost_us = asyncio.run(_request_us())
    print(f"views: {cost_us:.0f} µs per request in a tree of {branches:,} branches")


def _told(trees: Sequence[Tree]) -> list[str]:
    values = [value for tree in trees for value in action_values(tree, level=LEVEL)]
    calls = sum(tree.spend.calls for tree in trees)
    return [f"{calls:,}", f"{sum(value.n for value in values) / len(values):.1f}"]


def _config(rollouts: int, *, tasks: int = 74) -> RunConfig:
    return load_config("quickstart", overrides=[f"branching.rollouts={rollouts}", f"tasks.count={tasks}"])


async def _grown(config: RunConfig, seen: Callable[[StepView], StepView]) -> list[Tree]:
    world, cast, trees = open_environment(config), casting(config), []
    for item in plan(config, world):
        policy = Seeing(fork_policy(config.branching.policy, branching(config)), seen)
        tree, _ = await grow(config, item, world=world, cast=cast, policy=policy)
        trees.append(tree)
    await cast.close()
    return trees


async def _request_us() -> tuple[int, float]:
    """Without what Python's collector of cycles costs: the tree's own objects are frozen, as they would be in a long run."""
    [tree] = await _grown(_config(BRANCHES // 5, tasks=1), _own_only)
    branches = [episode for path, episode in tree.episodes.items() if "." in path][:BRANCHES]
    views = TreeViews()
    for path, episode in tree.episodes.items():
        if "." not in path:
            views.trunk(episode)
    for fork in tree.forks.values():
        views.fork(fork, calls=fork.spend.calls)
    for branch in branches[:-MEASURED]:
        views.branch(branch)
    views.view()
    gc.freeze()
    began = time.process_time()
    for branch in branches[-MEASURED:]:
        views.branch(branch)
        views.view()
    return len(branches), 1e6 * (time.process_time() - began) / MEASURED


if __name__ == "__main__":
    main()
