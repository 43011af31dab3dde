"""A finished tree of plays, and the paths that name its places.

A path names a place by the indices of choices, never by arrival:

    t0                 trunk 0
    t0.s4              the state before step 4 of trunk 0: a fork, where several actions were tried
    t0.s4.a1           action 1 there (action 0 is the trunk's own)
    t0.s4.a1.r2        rollout 2 of it: an episode that shares the trunk's steps 0 to 3
    t0.s4.a1.r2.s7     the state before step 7 of that episode (steps count from the root)
    t0.s4.a1.c0.r2     rollout 2 with the critique of that action delivered: an episode whose first step is the actor's revision
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rollouts.episode import Draft, Episode, PaidReply, Review, Spend, StepKind
from rollouts.receipt import WorkItem

_SEGMENT = re.compile(r"([tsacr])(\d+)")
_TRUNK = re.compile(r"t\d+")
_BRANCH = re.compile(
    r"(?P<parent>t\d+(?:\.s\d+\.a\d+(?:\.c\d+)?\.r\d+)*)\.s(?P<step>\d+)\.a(?P<action>\d+)(?:\.c(?P<critique>\d+))?\.r(?P<rollout>\d+)"
)


def trunk_path(index: int) -> str:
    return f"t{index}"


def step_path(episode_path: str, step: int) -> str:
    """The state before `step` of an episode; a fork is named by it."""
    return f"{episode_path}.s{step}"


def action_path(fork_path: str, action: int) -> str:
    return f"{fork_path}.a{action}"


def branch_path(fork_path: str, action: int, rollout: int) -> str:
    return f"{fork_path}.a{action}.r{rollout}"


def revised_path(fork_path: str, action: int, rollout: int) -> str:
    """An action has one critique so far: the configured critic's."""
    return f"{fork_path}.a{action}.c0.r{rollout}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchPlace:
    """A branch's path, taken apart."""

    parent_path: str
    # the forked episode
    step: int
    action: int
    critique: int | None
    # which critique of the action was delivered to the actor before it began; None: the action was executed
    rollout: int

    @property
    def fork_path(self) -> str:
        return step_path(self.parent_path, self.step)


def branch_place(episode_path: str) -> BranchPlace | None:
    """None for a trunk. ValueError for what is no episode's path."""
    if _TRUNK.fullmatch(episode_path):
        return None
    found = _BRANCH.fullmatch(episode_path)
    if not found:
        raise ValueError(f"not an episode's path: {episode_path!r}; it looks like t0, t0.s4.a1.r2 or t0.s4.a1.c0.r2")
    critique = found["critique"]
    return BranchPlace(
        parent_path=found["parent"],
        step=int(found["step"]),
        action=int(found["action"]),
        critique=None if critique is None else int(critique),
        rollout=int(found["rollout"]),
    )


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
    review: Review | None = None
    # what the critic said of it; None: it was not asked


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
    # of drawing the alternatives, and of asking the critic about the actions


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
    turn_limit: int = 0
    # actor steps that a trajectory may have; 0: not known
    stop_reasons: Mapping[tuple[str, int], str] = field(default_factory=dict)
    # (fork path, action) → why the policy asked for no more plays of it; empty for a policy that does not say

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
