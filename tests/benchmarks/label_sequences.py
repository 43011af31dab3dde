"""What needs no world: coverage of intervals when sampling stops at will, and what a fork policy's decisions cost the processor."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from rollouts.branching import BranchingSettings, fork_policy
from rollouts.confidence_sequence import confidence_sequence
from rollouts.estimates import Interval, jeffreys_interval
from rollouts.fork_views import ForkPolicy
from tests.benchmarks.measure import resident_mb
from tests.simulated_tree import Option, SimulatedStep, SimulatedTree

CELLS = 12_000
MOST_ROLLOUTS = 64
LEVELS = (0.8, 0.9, 0.95)
TRUNKS, STEPS = 16, 30
LIVE_TREES = 1_000

Rule = Callable[[Interval, float], bool]
# whether to stop, seeing the interval and (for the worst rule) the truth
RULES: dict[str, Rule] = {
    "a fixed number": lambda interval, p: False,
    "the interval leaves 1/2": lambda interval, p: interval.lower > 0.5 or interval.upper < 0.5,
    "an adversary": lambda interval, p: not interval.lower <= p <= interval.upper,
}
INTERVALS = (jeffreys_interval, confidence_sequence)


def coverage_rows() -> list[list[str]]:
    """Of true values drawn uniformly; the adversary stops as soon as the interval misses the truth."""
    return [
        [name, f"{CELLS:,}", f"{level:.0%}", *(f"{_covered(made, rule, level):.1%}" for made in INTERVALS)]
        for name, rule in RULES.items()
        for level in LEVELS
    ]


def _covered(made: Callable[..., Interval], rule: Rule, level: float) -> float:
    chance, held = random.Random(17), 0
    for _ in range(CELLS):
        p, successes, n = chance.random(), 0, 0
        interval = made(0, 0, level=level)
        while n < MOST_ROLLOUTS and not (n > 1 and rule(interval, p)):
            n += 1
            successes += chance.random() < p
            interval = made(successes, n, level=level)
        held += interval.lower <= p <= interval.upper
    return held / CELLS


# -- processor time ---------------------------------------------------------------------------------------------------


def cpu_rows() -> list[list[str]]:
    """One tree of more than 10,000 nodes, every trunk forked; then a thousand smaller ones at once, served round by round."""
    rows = []
    for name in ("bisect", "adaptive"):
        rows.append([name, *_measured(name, trees=1, trunks=TRUNKS)])
    rows.append(["adaptive", *_measured("adaptive", trees=LIVE_TREES, trunks=1)])
    return rows


def _measured(name: str, *, trees: int, trunks: int) -> list[str]:
    settings = BranchingSettings(
        trunks=trunks,
        width=4,
        rollouts=24,
        max_draws=6,
        forked_trunks=trunks,
        delta=0.2,
        calls_per_label=5_000.0,
    )
    policy, before = fork_policy(name, settings), resident_mb()
    grown = [_large(seed, trunks) for seed in range(trees)]
    asked, seconds = _grow(policy, grown)
    nodes = sum(tree.nodes for tree in grown) / trees
    memory = resident_mb() - before
    return [str(trees), f"{nodes:,.0f}", f"{asked:,}", f"{1e6 * seconds / asked:.0f}", f"{memory:.0f}"]


def _grow(policy: ForkPolicy, trees: list[SimulatedTree]) -> tuple[int, float]:
    """Round by round over all trees, as a worker that holds them all; requests, and the CPU seconds that deciding took."""
    asked, seconds, live = 0, 0.0, trees
    while live:
        views = [tree.view() for tree in live]
        began = time.process_time()
        answers = [policy.requests(view) for view in views]
        seconds += time.process_time() - began
        asked += sum(map(len, answers))
        for tree, requests in zip(live, answers, strict=True):
            tree.serve(requests)
        live = [tree for tree, requests in zip(live, answers, strict=True) if requests]
    return asked, seconds


def _large(seed: int, trunks: int) -> SimulatedTree:
    chance = random.Random(seed)
    return SimulatedTree(
        [[_step(chance) for _ in range(STEPS)] for _ in range(trunks)], returns=[0.0] * trunks, seed=seed
    )


def _step(chance: random.Random) -> SimulatedStep:
    """Every second step is contested."""
    values = [chance.random() for _ in range(3)]
    chances = (0.5, 0.3, 0.2) if chance.random() < 0.5 else (0.98, 0.01, 0.01)
    options = (Option(chance=c, value=v) for c, v in zip(chances, values, strict=True))
    return SimulatedStep(kind=chance.choice(["message", "read", "write"]), options=tuple(options))
