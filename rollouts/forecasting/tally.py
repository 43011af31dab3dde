"""What a simulated tree came to: plays, forks, and the turns taken at each depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rollouts.forecasting.profiles import Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    num: float = 0.0
    depth: float = 0.0
    # sum of the turns' step indices: a prompt grows with them

    def __add__(self, other: Turns) -> Turns:
        return Turns(num=self.num + other.num, depth=self.depth + other.depth)

    def __mul__(self, factor: float) -> Turns:
        return Turns(num=self.num * factor, depth=self.depth * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeTally:
    """One tree's, or the mean of several."""

    trunks: float = 0.0
    branches: float = 0.0
    forks: float = 0.0
    trunk_turns: Mapping[Turn, Turns] = field(default_factory=dict)
    branch_turns: Mapping[Turn, Turns] = field(default_factory=dict)
    fork_turns: Mapping[Turn, Turns] = field(default_factory=dict)
    longest_chain: float = 0.0
    # LLM calls that have to wait for each other: of each round of the policy its longest play, summed
    cut_short: bool = False
    # the tree was larger than anything that is simulated to its end

    @property
    def turns(self) -> dict[Turn, Turns]:
        return added(added(self.trunk_turns, self.branch_turns), self.fork_turns)

    def __add__(self, other: TreeTally) -> TreeTally:
        return TreeTally(
            trunks=self.trunks + other.trunks,
            branches=self.branches + other.branches,
            forks=self.forks + other.forks,
            trunk_turns=added(self.trunk_turns, other.trunk_turns),
            branch_turns=added(self.branch_turns, other.branch_turns),
            fork_turns=added(self.fork_turns, other.fork_turns),
            longest_chain=self.longest_chain + other.longest_chain,
            cut_short=self.cut_short or other.cut_short,
        )

    def scaled(self, by: Growth) -> TreeTally:
        return TreeTally(
            trunks=self.trunks,
            branches=self.branches * by.branches,
            forks=self.forks * by.forks,
            trunk_turns=self.trunk_turns,
            branch_turns=_times(self.branch_turns, by.branch_turns),
            fork_turns=_times(self.fork_turns, by.fork_turns),
            longest_chain=self.longest_chain,
            cut_short=self.cut_short,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How many times as large one tree is as another, below its trunks. More plays side by side make no longer chain."""

    branches: float = 1.0
    branch_turns: float = 1.0
    forks: float = 1.0
    fork_turns: float = 1.0

    def __mul__(self, other: Growth) -> Growth:
        return Growth(
            branches=self.branches * other.branches,
            branch_turns=self.branch_turns * other.branch_turns,
            forks=self.forks * other.forks,
            fork_turns=self.fork_turns * other.fork_turns,
        )


def mean_tally(trees: Sequence[TreeTally]) -> TreeTally:
    """ValueError for no trees: there is no mean of nothing."""
    if not trees:
        raise ValueError("the mean of trees needs at least one tree, got none")
    share = 1 / len(trees)
    total = sum(trees[1:], trees[0])
    return TreeTally(
        trunks=total.trunks * share,
        branches=total.branches * share,
        forks=total.forks * share,
        trunk_turns=_times(total.trunk_turns, share),
        branch_turns=_times(total.branch_turns, share),
        fork_turns=_times(total.fork_turns, share),
        longest_chain=total.longest_chain * share,
        cut_short=total.cut_short,
    )


def added(first: Mapping[Turn, Turns], second: Mapping[Turn, Turns]) -> dict[Turn, Turns]:
    total = dict(first)
    for turn, turns in second.items():
        total[turn] = total.get(turn, Turns()) + turns
    return total


def _times(turns: Mapping[Turn, Turns], factor: float) -> dict[Turn, Turns]:
    return {turn: taken * factor for turn, taken in turns.items()}
