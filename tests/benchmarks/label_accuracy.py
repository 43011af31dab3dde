"""How right labels are for the LLM calls they cost: every fork policy against true values.

    python -m tests.benchmarks.label_accuracy [--seeds 5] [--first-seed 100] [--only families|retail|flips|coverage|cpu|goal]

Trees are grown by the worker's own code: the five families of the known-values world, and τ² retail with the scripted actor (true
values by brute force). Only trees whose forked trunk failed are graded. A cell is one step of that trunk.

- F1, precision, recall of "this action loses delta of value", V(s) − Q(s, a) >= delta: claimed where the point estimate says so.
- MAE of Q: of the trunk's own action and of the actor's most frequent other one, at contested steps: those where actions that the
  actor takes at least one time in twenty (and the trunk's own) differ by delta or more in Q. Posterior means; 0.5 where nothing is
  known.
- calls: of forks and branches, the trunks' left out: they are the same for every policy.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from actors.environments.known_values import FAMILIES
from rollouts.branching import BranchingSettings, fork_policy
from rollouts.fork_views import ForkPolicy
from tests.benchmarks.label_grading import Grades
from tests.benchmarks.label_sequences import coverage_rows, cpu_rows
from tests.benchmarks.label_worlds import FamilyWorld, RetailWorld, World
from tests.benchmarks.table import print_table

DELTA = 0.2
TRUNKS = 4
CAP = 24
RECALL_BELOW = 0.05
# the plain design's: how far below it counts as as good
HELD_OUT = 100
# the first of the seeds that nothing was ever tuned on
LADDERS: Mapping[str, Sequence[int]] = {
    "every_step": (1, 2, 3, 4, 6, 8, 12),
    "first_error": (4, 8, 16, 24, 48),
    "bisect": (3, 6, 12, 24, 48),
}
# rollouts of the rivals
RUNGS: Sequence[tuple[str, int, float]] = (
    *(("bisect", cap, 1000.0) for cap in (3, 6, 12, 16, 24)),
    *(("adaptive", CAP, cost) for cost in (100.0, 300.0, 450.0, 600.0, 800.0, 1000.0, 1500.0)),
)
# policy, cap, calls_per_label: from few calls to many
HEADING = (
    "world",
    "policy",
    "rollouts",
    "F1",
    "precision",
    "recall",
    "MAE of Q",
    "calls",
    "decided right",
    "Jeffreys 90 %",
    "sequence 90 %",
)

Made = tuple[str, int]
# policy, rollouts


def settings(rollouts: int, **changes: float) -> BranchingSettings:
    made = BranchingSettings(trunks=TRUNKS, width=3, rollouts=rollouts, max_draws=6, forked_trunks=1, delta=DELTA)
    return BranchingSettings(**{**_fields(made), **changes})  # type: ignore[arg-type]


def _fields(made: BranchingSettings) -> dict[str, float]:
    return {name: getattr(made, name) for name in BranchingSettings.__dataclass_fields__}


def policy(name: str, rollouts: int, **changes: float) -> ForkPolicy:
    least = min(3, rollouts)
    return fork_policy(name, settings(rollouts, min_rollouts=least, **changes))


def grades(world: World, make: Callable[[], ForkPolicy], *, seeds: Iterable[int]) -> Grades:
    return asyncio.run(world.graded(make, seeds=seeds, delta=DELTA, trunks=TRUNKS))


# -- the tables -------------------------------------------------------------------------------------------------------


def accuracy(worlds: Sequence[World], *, seeds: range) -> None:
    """Each policy with the reference's number of rollouts, then the rivals of adaptive at its own number of calls."""
    rows, duels, total = (
        [],
        [],
        {name: Grades(delta=DELTA) for name in ("every_step", "first_error", "bisect", "adaptive")},
    )
    for world in worlds:
        known: dict[Made, Grades] = {}

        def found(name: str, rollouts: int, world: World = world, known: dict[Made, Grades] = known) -> Grades:
            if (name, rollouts) not in known:
                known[name, rollouts] = grades(world, lambda: policy(name, rollouts), seeds=seeds)
            return known[name, rollouts]

        for name in total:
            total[name].add(found(name, CAP))
            rows.append([world.name, name, str(CAP), *found(name, CAP).columns()])
        adaptive = found("adaptive", CAP)
        rivals = [_at(name, adaptive.calls_per_tree, found) for name in LADDERS]
        duels.append([world.name, *_duel(adaptive, rivals)])
    rows += [["all", name, str(CAP), *graded.columns()] for name, graded in total.items()]
    print_table(HEADING, rows)
    plain, best = total["every_step"], total["adaptive"]
    print(
        f"\nadaptive makes 1/{plain.calls / best.calls:.1f} of the calls of every_step with {CAP} rollouts, bisect "
        f"1/{plain.calls / total['bisect'].calls:.1f}; F1 {best.f1:.3f} against {plain.f1:.3f}, recall {best.recall:.3f} against "
        f"{plain.recall:.3f} ({plain.trees} failing trunks, {plain.positives} losses)\n"
    )
    print("At equal calls: F1 / MAE of Q (interpolated between these numbers of rollouts)\n")
    print_table(("world", "calls", "adaptive", *LADDERS, "highest F1", "lowest MAE"), duels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A policy at some number of calls per tree."""

    f1: float
    mae: float
    between: str
    # the numbers of rollouts that the figures lie between


def _at(name: str, calls: float, found: Callable[[str, int], Grades]) -> Rival:
    """Interpolated over calls between the last cheaper and the first dearer number of rollouts; the nearest one outside of them."""
    cheaper: tuple[int, Grades] | None = None
    for rollouts in LADDERS[name]:
        graded = found(name, rollouts)
        if graded.calls_per_tree >= calls:
            if cheaper is None:
                return Rival(f1=graded.f1, mae=graded.mae, between=str(rollouts))
            return _interpolated(cheaper, (rollouts, graded), calls)
        cheaper = rollouts, graded
    assert cheaper is not None
    return Rival(f1=cheaper[1].f1, mae=cheaper[1].mae, between=str(cheaper[0]))


def _interpolated(below: tuple[int, Grades], above: tuple[int, Grades], calls: float) -> Rival:
    low, high = below[1], above[1]
    share = (calls - low.calls_per_tree) / (high.calls_per_tree - low.calls_per_tree)
    return Rival(
        f1=low.f1 + share * (high.f1 - low.f1),
        mae=low.mae + share * (high.mae - low.mae),
        between=f"{below[0]}-{above[0]}",
    )


def _duel(adaptive: Grades, rivals: Sequence[Rival]) -> list[str]:
    return [
        f"{adaptive.calls_per_tree:.0f}",
        f"{adaptive.f1:.3f} / {adaptive.mae:.3f}",
        *(f"{rival.f1:.3f} / {rival.mae:.3f} ({rival.between})" for rival in rivals),
        _rank(adaptive.f1, [rival.f1 for rival in rivals]),
        _rank(-adaptive.mae, [-rival.mae for rival in rivals]),
    ]


def _rank(own: float, others: Sequence[float]) -> str:
    """To the three digits that are shown."""
    best = max(round(other, 3) for other in others)
    return "yes" if round(own, 3) > best else "equal" if round(own, 3) == best else "no"


def goal(worlds: Sequence[World], *, seeds: range) -> None:
    """How few calls lead to the F1 that the plain design reaches with CAP rollouts."""
    plain = _pooled(worlds, lambda: policy("every_step", CAP), seeds)
    rows = [["every_step", str(CAP), "-", *_goal_columns(plain, plain)]]
    for name, cap, cost in RUNGS:
        found = _pooled(worlds, lambda name=name, cap=cap, cost=cost: policy(name, cap, calls_per_label=cost), seeds)  # type: ignore[misc]
        rows.append([name, str(cap), f"{cost:g}", *_goal_columns(found, plain)])
    print_table(("policy", "rollouts", "calls_per_label", "F1", "recall", "calls", "share", "as good"), rows)


def _pooled(worlds: Sequence[World], make: Callable[[], ForkPolicy], seeds: range) -> Grades:
    total = Grades(delta=DELTA)
    for world in worlds:
        total.add(grades(world, make, seeds=seeds))
    return total


def _goal_columns(found: Grades, plain: Grades) -> list[str]:
    as_good = found.f1 >= plain.f1 and found.recall >= plain.recall - RECALL_BELOW
    share = plain.calls / found.calls
    return [
        f"{found.f1:.3f}",
        f"{found.recall:.3f}",
        f"{found.calls_per_tree:.0f}",
        f"1/{share:.1f}",
        "yes" if as_good else "no",
    ]


def flips(worlds: Sequence[World], *, seeds: range) -> None:
    """The same trees with a budget and with twice that budget."""
    rows = []
    for calls in (300, 600):
        changed = cells = claimed = 0
        for world in worlds:
            small, large = _budgeted(world, calls, seeds), _budgeted(world, 2 * calls, seeds)
            changed += small.flips(large)
            cells += len(small.cells)
            claimed += sum(cell.claimed for cell in small.cells)
        rows.append([f"{calls} → {2 * calls}", f"{cells:,}", str(claimed), str(changed), f"{changed / cells:.1%}"])
    print_table(("calls per tree", "labels", "of them 'loses'", "flipped", "share"), rows)


def _budgeted(world: World, calls: int, seeds: range) -> Grades:
    return grades(world, lambda: policy("adaptive", CAP, calls_per_tree=calls), seeds=seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=HELD_OUT, help="seeds under 100 are for tuning")
    parser.add_argument("--tasks", type=int, default=20, help="of each family")
    parser.add_argument("--retail", type=int, default=20, help="tasks of τ² retail")
    parser.add_argument("--only", choices=("families", "retail", "goal", "flips", "coverage", "cpu"))
    chosen = parser.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    families = [FamilyWorld(name, num_tasks=chosen.tasks) for name in FAMILIES]
    parts: dict[str, Callable[[], None]] = {
        "families": lambda: accuracy(families, seeds=seeds),
        "retail": lambda: accuracy([RetailWorld(num_tasks=chosen.retail)], seeds=seeds),
        "goal": lambda: goal([RetailWorld(num_tasks=chosen.retail)], seeds=seeds),
        "flips": lambda: flips(families, seeds=seeds),
        "coverage": lambda: print_table(("stopped by", "cells", "level", "Jeffreys", "sequence"), coverage_rows()),
        "cpu": lambda: print_table(("policy", "trees", "nodes a tree", "requests", "µs a request", "MB"), cpu_rows()),
    }
    for name, part in parts.items():
        if chosen.only in (None, name):
            began = time.process_time()
            print(f"\n## {name}\n")
            part()
            print(f"\n{time.process_time() - began:.0f} CPU-s")


if __name__ == "__main__":
    main()
