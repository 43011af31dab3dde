"""A finished tree of plays, and the paths that name its places.

A path names a place by the indices of choices, never by arrival:

    t0                 trunk 0
    t0.s4              the state before step 4 of trunk 0: a fork, where several actions were tried
    t0.s4.a1           action 1 there (action 0 is the trunk's own)
    t0.s4.a1.r2        rollout 2 of it: an episode that shares the trunk's steps 0 to 3
    t0.s4.a1.r2.s7     the state before step 7 of that episode (steps count from the root)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollouts.episode import Draft, Episode, PaidReply, Spend, StepKind
from rollouts.receipt import WorkItem

_SEGMENT = re.compile(r"([tsar])(\d+)")


def trunk_path(index: int) -> str:
    return f"t{index}"


def step_path(episode_path: str, step: int) -> str:
    """The state before `step` of an episode; a fork is named by it."""
    return f"{episode_path}.s{step}"


def action_path(fork_path: str, action: int) -> str:
    return f"{fork_path}.a{action}"


def branch_path(fork_path: str, action: int, rollout: int) -> str:
    return f"{fork_path}.a{action}.r{rollout}"


def path_order(path: str) -> tuple[tuple[str, int], ...]:
    """Sort key: places in the order of their indices, t2 before t10. ValueError for what is no path."""
    segments = path.split(".")
    parsed = [_SEGMENT.fullmatch(segment) for segment in segments]
    if not all(parsed):
        raise ValueError(f"not a path: {path!r}; a path looks like 't0.s4.a1.r2'")
    return tuple((match[1], int(match[2])) for match in parsed if match)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkAction:
    index: int
    # 0 is the action the forked episode itself took
    draft: Draft
    action_key: bytes
    kind: StepKind
    multiplicity: int
    # how many of the fork's draws gave this action


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork:
    """A state from which more than one play was started."""

    path: str
    # rollouts.tree.step_path of the forked episode
    episode_path: str
    step: int
    state_key: bytes
    actions: tuple[ForkAction, ...]
    draws: int
    # drafts drawn from the actor here, the episode's own included
    spend: Spend
    # of drawing the alternatives


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Everything one work item played."""

    item: WorkItem
    episodes: Mapping[str, Episode]
    # by path, in path order
    forks: Mapping[str, Fork]
    # by path, in path order
    replies: Mapping[str, tuple[PaidReply, ...]] = field(default_factory=dict)
    # what models answered, by the call's place (rollouts.ledger), in the order of places; stand-ins answer nothing
    early_stop: bool = False
    # cut short at a limit

    @property
    def spend(self) -> Spend:
        total = Spend()
        for episode in self.episodes.values():
            total += episode.spend
        for fork in self.forks.values():
            total += fork.spend
        return total

    def branches(self, fork_path: str, action: int) -> list[Episode]:
        """The rollouts of one action of one fork, in order of their index."""
        found: list[Episode] = []
        while (path := branch_path(fork_path, action, len(found))) in self.episodes:
            found.append(self.episodes[path])
        return found
