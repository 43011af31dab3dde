"""The known-values world: episodes per CPU-second, and how often intervals hold the true value.

    python -m tests.benchmarks.known_values [--cells 10000] [--episodes 2000]

Coverage: whole trees are played by the worker's own code (every step of one failing trunk forked, three actions, the most rollouts
asked for); each tree is then cut to its first n rollouts per action and put through `labeling.values`. A cell is one action of one
fork; its interval is compared with the exact Q. Cells whose true value is 0 or 1, which no interval misses, are counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace

from rich.console import Console
from rich.table import Table

from actors.environments.known_values import FAMILIES, ExactValues, KnownState, open_environment, stand_ins
from labeling.values import action_values
from rollouts.branching import BranchingSettings, fork_policy
from rollouts.episode import Task
from rollouts.explore import explore
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Place, Player, PlaySettings
from rollouts.protocols import Environment
from rollouts.receipt import WorkItem
from rollouts.slots import Slots
from rollouts.supervision import Supervision
from rollouts.tree import Tree, path_order

GOAL_PER_S = 2000
LEVEL = 0.95
SIZES = (4, 8, 16, 24)
# rollouts per action
SETTINGS = PlaySettings(supervision=Supervision(), turn_limit=30, episode_timeout_s=3600)


def player(environment: Environment[KnownState], task: Task, *, seed: int) -> Player[KnownState]:
    return Player(
        environment,
        task=task,
        cast=stand_ins().cast(task),
        seed=seed,
        settings=SETTINGS,
        meter=Meter(),
        clock=time.monotonic,
        ledger=Ledger(),
    )


# -- speed ------------------------------------------------------------------------------------------------------------


async def speed(family: str, *, episodes: int) -> tuple[float, float]:
    """Episodes per CPU-second through the player, and their mean number of steps."""
    environment = open_environment(family)
    tasks = environment.tasks("train")[:20]
    steps, spent = 0, 0.0
    for task in tasks:
        playing = player(environment, task, seed=0)
        began = time.process_time()
        for index in range(episodes // len(tasks)):
            played = await playing.trunk(Place(path=f"t{index}", user_path=f"t{index}"))
            steps += len(played.episode.steps)
        spent += time.process_time() - began
    num_played = len(tasks) * (episodes // len(tasks))
    return num_played / spent, steps / num_played


def exact_seconds(family: str) -> float:
    """CPU-seconds for all values of one task, on average."""
    environment = open_environment(family)
    tasks = environment.tasks("train")
    began = time.process_time()
    for task in tasks:
        values = ExactValues(task)
        values.v(values.start)
    return (time.process_time() - began) / len(tasks)


# -- coverage ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Coverage:
    """Counts of cells."""

    cells: int = 0
    uncertain: int = 0
    # those whose true value is neither 0 nor 1
    held: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    # by n: cells whose interval holds the true value
    held_uncertain: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    width: dict[int, float] = field(default_factory=lambda: defaultdict(float))
    # by n: sum over the uncertain cells


async def cover(family: str, *, cells: int) -> Coverage:
    environment, found = open_environment(family), Coverage()
    tasks = environment.tasks("train")
    for seed in itertools.count():
        task = tasks[seed % len(tasks)]
        tree = await _grown(environment, task, seed=seed)
        _count(tree, ExactValues(task), found)
        if found.cells >= cells:
            return found
    raise AssertionError("counting does not end")


async def _grown(environment: Environment[KnownState], task: Task, *, seed: int) -> Tree:
    settings = BranchingSettings(trunks=2, width=3, rollouts=max(SIZES), max_draws=12, forked_trunks=1, delta=0.2)
    item = WorkItem(item_id="0" * 32, task=task, seed=seed, trunks=settings.trunks)
    playing = player(environment, task, seed=seed)
    policy = fork_policy("every_step", settings)
    return await explore(item, playing, policy=policy, meter=Meter(), slots=Slots(64))


def _count(tree: Tree, truth: ExactValues, found: Coverage) -> None:
    states = {path: truth.states(tree.episodes[path].steps) for path in {f.episode_path for f in tree.forks.values()}}
    for n in SIZES:
        for value in action_values(_cut(tree, n), level=LEVEL):
            exact = truth.q(states[value.episode_path][value.step], value.action)
            held, uncertain = value.lower <= exact <= value.upper, 0 < exact < 1
            found.held[n] += held
            if uncertain:
                found.held_uncertain[n] += held
                found.width[n] += value.upper - value.lower
            if n == SIZES[0]:
                found.cells += 1
                found.uncertain += uncertain


def _cut(tree: Tree, n: int) -> Tree:
    """The tree as it would be with `n` rollouts for each action."""
    kept = {path: e for path, e in tree.episodes.items() if (last := path_order(path)[-1])[0] != "r" or last[1] < n}
    return replace(tree, episodes=kept)


# -- the tables -------------------------------------------------------------------------------------------------------


def speed_table(episodes: int) -> Table:
    table = Table(
        "family", "episodes / CPU-s", "steps", "exact values, ms per task", title=f"goal {GOAL_PER_S} / CPU-s"
    )
    for family in FAMILIES:
        rate, steps = asyncio.run(speed(family, episodes=episodes))
        table.add_row(family, f"{rate:,.0f}", f"{steps:.1f}", f"{1000 * exact_seconds(family):.1f}")
    return table


def coverage_table(cells: int) -> Table:
    title = f"coverage of {LEVEL:.0%} Jeffreys intervals: all cells / those with 0 < Q < 1 (mean width)"
    table = Table("family", "cells", *(f"n = {n}" for n in SIZES), title=title)
    total = Coverage()
    for family in FAMILIES:
        found = asyncio.run(cover(family, cells=-(-cells // len(FAMILIES))))
        table.add_row(family, f"{found.cells:,} / {found.uncertain:,}", *_columns(found))
        total.cells, total.uncertain = total.cells + found.cells, total.uncertain + found.uncertain
        for n in SIZES:
            total.held[n] += found.held[n]
            total.held_uncertain[n] += found.held_uncertain[n]
            total.width[n] += found.width[n]
    table.add_row("all", f"{total.cells:,} / {total.uncertain:,}", *_columns(total))
    return table


def _columns(found: Coverage) -> list[str]:
    return [
        f"{found.held[n] / found.cells:.1%} / {found.held_uncertain[n] / found.uncertain:.1%} "
        f"({found.width[n] / found.uncertain:.2f})"
        for n in SIZES
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=10_000, help="over all families")
    parser.add_argument("--episodes", type=int, default=2_000, help="for each family's speed")
    chosen = parser.parse_args()
    console = Console(width=140)
    console.print(speed_table(chosen.episodes))
    began = time.process_time()
    console.print(coverage_table(chosen.cells))
    console.print(f"coverage took {time.process_time() - began:.0f} CPU-s")


if __name__ == "__main__":
    main()
