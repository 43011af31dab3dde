"""Which plays of a tree count for which action: a table by (state, action), where equal states and equal actions meet.

A play counts for Q(s, a) when it took a in s and every later action was the actor's own. So:

- a branch counts for the action it was made to take, at its fork and at every fork of an equal state, and for nothing before it;
- it counts for every later action too, which it took of its own accord: evidence that costs nothing there;
- a revised branch counts for its later actions only: its first one is evidence about the critique (`delivered`);
- a trunk counts for nothing here. Which trunks are forked depends on the outcomes of all: with a failing one forked first, the ones
  before it are known to have succeeded, and either choice of whom to count would be biased;
- a play without a return (a failure, a budget) counts for nothing, never as 0.

Sums do not depend on the order in which plays are added.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from rollouts.episode import Episode, Failure, Finished, Step
from rollouts.meter import SOLVED
from rollouts.tree import Fork, ForkAction, branch_place

TaskClass: TypeAlias = Literal["solved", "failed", "mixed"]
ActionKey: TypeAlias = tuple[bytes, bytes]
# of the state acted from, and of the action

_UNIT = 1 << 60
# returns are added up in fixed point: a sum of floats would depend on their order, and with it what a policy asks for


@dataclass(slots=True)
class Tally:
    """Counts that only grow."""

    n: int = 0
    failures: int = 0
    _units: int = 0

    def add(self, value: float | None) -> None:
        """`value`: a return in [0, 1], or None where there is none."""
        if value is None:
            self.failures += 1
        else:
            self.n += 1
            self._units += round(value * _UNIT)

    @property
    def launched(self) -> int:
        return self.n + self.failures

    @property
    def successes(self) -> float:
        return self._units / _UNIT

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.n + other.n, self.failures + other.failures, self._units + other._units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The plays that count for one action of one fork."""

    started: Tally
    # here, for it
    elsewhere: Tally
    # made to take it at a fork of an equal state
    own_policy: Tally
    # took it in an equal state of their own accord

    @property
    def free(self) -> Tally:
        """What cost nothing at this fork."""
        return self.elsewhere + self.own_policy if self.elsewhere.n else self.own_policy

    @property
    def total(self) -> Tally:
        return self.started + self.free


class PlayTable:
    """The plays of one tree, found by what they did."""

    def __init__(self, episodes: Iterable[Episode] = ()) -> None:
        self._started: dict[tuple[str, int], Tally] = defaultdict(Tally)
        self._delivered: dict[tuple[str, int], Tally] = defaultdict(Tally)
        self._forced: dict[ActionKey, dict[str, Tally]] = defaultdict(lambda: defaultdict(Tally))
        # by the fork that they were started at
        self._own: dict[ActionKey, Tally] = defaultdict(Tally)
        for episode in episodes:
            self.add(episode)

    def add(self, episode: Episode) -> Sequence[ActionKey]:
        """Take in a play; the actions that it counts for beyond the one it was started for."""
        place = branch_place(episode.path)
        if place is None:
            return ()
        value = return_of(episode)
        counts = self._started if place.critique is None else self._delivered
        counts[place.fork_path, place.action].add(value)
        if value is None or not episode.steps:
            return ()
        first, *later = map(_key, episode.steps)
        for key in later:
            self._own[key].add(value)
        if place.critique is not None:
            return later
        self._forced[first][place.fork_path].add(value)
        return first, *later

    def evidence(self, fork: Fork, action: ForkAction) -> Evidence:
        key = (fork.state_key, action.action_key)
        elsewhere = _NOTHING
        for path, tally in self._forced.get(key, _NO_FORKS).items():
            if path != fork.path:
                elsewhere = elsewhere + tally
        return Evidence(
            started=self._started.get((fork.path, action.index), _NOTHING),
            elsewhere=elsewhere,
            own_policy=self._own.get(key, _NOTHING),
        )

    def delivered(self, fork_path: str, action: int) -> Tally:
        """Plays in which the critique of the action was delivered."""
        return self._delivered.get((fork_path, action), _NOTHING)


_NOTHING = Tally()
_NO_FORKS: Mapping[str, Tally] = MappingProxyType({})


def _key(step: Step) -> ActionKey:
    return step.state_key, step.action_key


def return_of(episode: Episode) -> float | None:
    """None where it is not known."""
    match episode.outcome:
        case Finished(reward=reward):
            return None if reward is None else reward.value
        case Failure():
            return None


def settled_by_next(fork: Fork, forked: Episode) -> bool:
    """Whether V here is V at the next step, so that no play is needed here.

    The actor gave one action at every draw (two at least), and its result, of tool calls only, is a function of the state.
    """
    [action, *others] = fork.actions
    goes_on = bool(forked.steps) and forked.steps[-1].index > fork.step
    return not others and fork.draws > 1 and bool(action.draft.tool_calls) and goes_on


def task_class(trunks: Iterable[Episode]) -> TaskClass | None:
    """What self-play says of the task; None as long as no trunk has a return."""
    solved = {value >= SOLVED for trunk in trunks if (value := return_of(trunk)) is not None}
    match sorted(solved):
        case [False, True]:
            return "mixed"
        case [True]:
            return "solved"
        case [False]:
            return "failed"
        case _:
            return None
