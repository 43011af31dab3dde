"""What a critic's scores do to state values: one that knows, one that guesses, one that says the opposite, and none.

    python -m tests.benchmarks.label_critic [--seeds 5] [--first-seed 100] [--tasks 20]

Trees of the known-values world are grown once; then each critic's scores are put on them, so all are compared on the same plays.
"Unplayed" forks are those of which some draft was never played out: only there a score can say anything. The last world is made by
hand, as models are: every draft of a fork is another action, and few of them are played. Coverage is that of the interval of V.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from actors.environments.known_values import FAMILIES
from labeling.records import ActionValue
from labeling.state_values import with_state_values
from labeling.values import action_values
from rollouts.episode import Approve, Review
from rollouts.fork_views import ForkPolicy
from rollouts.tree import Fork, Tree
from tests.benchmarks.label_accuracy import CAP, DELTA, HELD_OUT, TRUNKS, policy
from tests.benchmarks.label_grading import TrueAction
from tests.benchmarks.label_worlds import FamilyWorld
from tests.benchmarks.table import print_table
from tests.labeling.values import value_of
from tests.rollouts.plays import fork as made_fork
from tests.rollouts.plays import tree as made_tree
from tests.toy import press

LEVEL = 0.9
FORKS, DRAFTS, PLAYED, ROLLOUTS = 20, 12, 3, 8
# of a tree made by hand
NOISE = 0.1
# how far a critic that knows is off, at most

Truth = Mapping[str, Mapping[bytes, TrueAction]]
# by fork
Scores = Callable[[TrueAction, random.Random], float | None]
CRITICS: Mapping[str, Scores] = {
    "none": lambda action, chance: None,
    "knows": lambda action, chance: _bounded(action.value + chance.uniform(-NOISE, NOISE)),
    "right or wrong, 80 %": lambda action, chance: float((action.value > 0.5) == (chance.random() < 0.8)),
    "guesses": lambda action, chance: chance.random(),
    "says the opposite": lambda action, chance: _bounded(1 - action.value + chance.uniform(-NOISE, NOISE)),
}


def _bounded(score: float) -> float:
    return min(max(score, 0.0), 1.0)


@dataclass(slots=True)
class Graded:
    errors: list[float] = field(default_factory=list)
    unplayed: list[float] = field(default_factory=list)
    # of them, where some draft was not played
    held: int = 0
    slopes: list[float] = field(default_factory=list)

    def columns(self) -> list[str]:
        return [
            f"{len(self.errors):,}",
            f"{_mean(self.errors):.4f}",
            f"{len(self.unplayed):,}",
            f"{_mean(self.unplayed):.4f}",
            f"{self.held / max(len(self.errors), 1):.1%}",
            f"{_mean(self.slopes):.2f}",
        ]


def _mean(numbers: list[float]) -> float:
    return sum(numbers) / max(len(numbers), 1)


def grade(
    tree: Tree, values: list[ActionValue], truth: Truth, said: Scores, chance: random.Random, into: Graded
) -> None:
    forks = {path: _reviewed(fork, truth[path], said, chance) for path, fork in tree.forks.items() if path in truth}
    known = [value for value in values if value.fork_path in forks]
    found = {value.fork_path: value for value in with_state_values(replace(tree, forks=forks), known)}
    for path, value in found.items():
        if value.state_mean is None:
            continue
        expected = sum(action.chance * action.value for action in truth[path].values())
        into.errors.append(abs(value.state_mean - expected))
        into.held += value.state_lower - 1e-9 <= expected <= value.state_upper + 1e-9
        if any(not other.n for other in known if other.fork_path == path):
            into.unplayed.append(into.errors[-1])
        if value.critic_slope is not None:
            into.slopes.append(value.critic_slope)


def _reviewed(fork: Fork, truth: Mapping[bytes, TrueAction], said: Scores, chance: random.Random) -> Fork:
    actions = []
    for action in fork.actions:
        score = said(truth[action.action_key], chance)
        review = Review(draft=action.draft, verdict=Approve(), score=score) if score is not None else None
        actions.append(replace(action, review=review))
    return replace(fork, actions=tuple(actions))


# -- worlds -----------------------------------------------------------------------------------------------------------

Grown = tuple[Tree, list[ActionValue], Truth]


def families(make: Callable[[], ForkPolicy], *, seeds: Iterable[int], tasks: int) -> Iterator[Grown]:
    for name in FAMILIES:
        for tree, truth in asyncio.run(_grown(FamilyWorld(name, num_tasks=tasks), make, seeds)):
            yield tree, action_values(tree, level=LEVEL), truth


async def _grown(world: FamilyWorld, make: Callable[[], ForkPolicy], seeds: Iterable[int]) -> list[tuple[Tree, Truth]]:
    return [found async for found in world.grown(make, seeds=seeds, trunks=TRUNKS)]


def by_hand(*, seeds: Iterable[int], trees: int = 30) -> Iterator[Grown]:
    """Half of the drafts of a state are good, half bad; how good and how bad differs from state to state."""
    for seed in (seed * trees + number for seed in seeds for number in range(trees)):
        chance = random.Random(seed)
        made = [_fork_by_hand(step, chance) for step in range(FORKS)]
        values = [value for _, found, _ in made for value in found]
        yield (
            made_tree([], [fork for fork, _, _ in made]),
            values,
            {fork.path: truth for fork, _, truth in made},
        )


def _fork_by_hand(step: int, chance: random.Random) -> tuple[Fork, list[ActionValue], Mapping[bytes, TrueAction]]:
    good, bad = 0.5 + 0.5 * chance.random(), 0.5 * chance.random()
    population = [TrueAction(chance=1 / 1000, value=chance.choice([good, bad])) for _ in range(1000)]
    drawn = [chance.choice(population) for _ in range(DRAFTS)]
    fork = made_fork(f"t0.s{step}", f"{step}", *[press(f"{k}") for k in range(DRAFTS + 1)], draws=DRAFTS + 1)
    values = []
    for action, true in zip(fork.actions, [chance.choice(population), *drawn], strict=True):
        n = ROLLOUTS if action.index <= PLAYED else 0
        values.append(_value(fork, action.index, sum(chance.random() < true.value for _ in range(n)), n))
    truth = {action.action_key: true for action, true in zip(fork.actions[1:], drawn, strict=True)}
    rest = sum(true.value for true in population) / len(population)
    return fork, values, {**{key: replace(true, chance=0.0) for key, true in truth.items()}, **_rest(fork, rest)}


def _rest(fork: Fork, value: float) -> dict[bytes, TrueAction]:
    """The trunk's own action carries V as a whole: nothing else is asked of it."""
    return {fork.actions[0].action_key: TrueAction(chance=1.0, value=value)}


def _value(fork: Fork, index: int, successes: int, n: int) -> ActionValue:
    value = value_of(index, fork.actions[index].draft, successes, n, level=LEVEL)
    return replace(
        value,
        fork_path=fork.path,
        episode_path=fork.episode_path,
        step=fork.step,
        state_key=fork.state_key,
        draws=fork.draws,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=HELD_OUT)
    parser.add_argument("--tasks", type=int, default=20, help="of each family")
    chosen = parser.parse_args()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    worlds: dict[str, Callable[[], Iterator[Grown]]] = {
        f"known values, adaptive, {cost:g} calls a label": lambda cost=cost: families(  # type: ignore[misc]
            lambda: policy("adaptive", CAP, calls_per_label=cost), seeds=seeds, tasks=chosen.tasks
        )
        for cost in (1000.0, 100.0)
    }
    worlds["known values, every_step 4"] = lambda: families(
        lambda: policy("every_step", 4), seeds=seeds, tasks=chosen.tasks
    )
    worlds[f"by hand, {PLAYED} of {DRAFTS} drafts played"] = lambda: by_hand(seeds=seeds)
    rows = []
    for name, world in worlds.items():
        found = {critic: Graded() for critic in CRITICS}
        for tree, values, truth in world():
            for critic, said in CRITICS.items():
                grade(tree, values, truth, said, random.Random(tree.item.seed), found[critic])
        rows += [[name, critic, *graded.columns()] for critic, graded in found.items()]
    print_table(
        ("world", "critic", "forks", "MAE of V", "unplayed", "MAE there", f"held at {LEVEL:.0%}", "slope"), rows
    )
    print(f"\n(delta {DELTA}, {len(seeds)} seeds)")


if __name__ == "__main__":
    main()
