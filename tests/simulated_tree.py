"""A tree with known values that is not played but drawn: answers a fork policy's requests by Bernoulli returns, thousands a second.

Invariants: what a request leads to depends on its place and the seed only, never on the order of service; a request that cannot be
served, or that was served before, is an AssertionError; a view that did not change is the same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rollouts.episode import StepKind
from rollouts.fork_views import (
    ActionView,
    EpisodeView,
    ForkPolicy,
    OpenFork,
    PlayBranch,
    PlayTrunk,
    Request,
    StepView,
    TreeView,
)
from rollouts.seeds import SEED_BITS, derive_seed
from rollouts.tree import step_path, trunk_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    chance: float
    # of being drawn from the actor
    value: float
    # Q


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedStep:
    kind: StepKind
    options: tuple[Option, ...]
    # the trunk's own first

    @property
    def loss(self) -> float:
        """V(s) − Q(s, a) of the trunk's own action."""
        return sum(option.chance * option.value for option in self.options) - self.options[0].value


class SimulatedTree:
    def __init__(
        self, trunks: Sequence[Sequence[SimulatedStep]], *, returns: Sequence[float | None], seed: int, silent: int = 0
    ) -> None:
        """`silent`: the first so many rollouts of every action give no return; every step of a play makes one call."""
        self._steps = [tuple(steps) for steps in trunks]
        self._returns = tuple(returns)
        self._seed = seed
        self._silent = silent
        self._trunks: dict[int, EpisodeView] = {}
        self._options: dict[str, list[int]] = {}
        # by fork: the option of each action
        self.calls = 0
        self.nodes = 0
        # steps played
        self.branches = 0

    def view(self) -> TreeView:
        return TreeView(trunks=tuple(self._trunks[index] for index in sorted(self._trunks)), calls=self.calls)

    def serve(self, requests: Iterable[Request]) -> None:
        for request in requests:
            match request:
                case PlayTrunk(index=index):
                    self._play_trunk(index)
                case OpenFork():
                    self._open(request)
                case PlayBranch():
                    self._branch(request)
                case _:
                    raise AssertionError(f"no policy here asks for {request}")

    def finish(self, policy: ForkPolicy, *, most_rounds: int = 10_000) -> int:
        """Serve the policy until it asks for nothing more; the number of requests."""
        asked = 0
        for _ in range(most_rounds):
            requests = policy.requests(self.view())
            if not requests:
                return asked
            assert len(set(requests)) == len(requests), "a round asks for the same thing twice"
            asked += len(requests)
            self.serve(requests)
        raise AssertionError(f"the policy still asks after {most_rounds} rounds")

    def step(self, fork_path: str) -> SimulatedStep:
        trunk, step = _place(fork_path)
        return self._steps[trunk][step]

    def option(self, fork_path: str, action: int) -> Option:
        return self.step(fork_path).options[self._options[fork_path][action]]

    # -- service ------------------------------------------------------------------------------------------------------

    def _play_trunk(self, index: int) -> None:
        assert index not in self._trunks, f"trunk {index} was played before"
        steps = tuple(StepView(kind=step.kind, actions=()) for step in self._steps[index])
        returned = self._returns[index]
        self._trunks[index] = EpisodeView(path=trunk_path(index), returned=returned, steps=steps, calls=len(steps))
        self._spend(len(steps))

    def _open(self, request: OpenFork) -> None:
        path = step_path(request.episode_path, request.step)
        trunk, index = _place(path)
        assert trunk in self._trunks, f"{request} before its trunk was played"
        assert index < len(self._trunks[trunk].steps), f"{request} is after the end"
        before = self._trunks[trunk].steps[index]
        options = self._options.setdefault(path, [0])
        counts = [action.multiplicity for action in before.actions] or [1]
        while sum(counts) < request.max_draws and len(counts) < request.width:
            option = self._drawn(path, sum(counts))
            if option not in options:
                options.append(option)
                counts.append(0)
            counts[options.index(option)] += 1
            self.calls += 1
        known = (*before.actions, *(_unplayed() for _ in counts[len(before.actions) :]))
        actions = tuple(
            view if view.multiplicity == count else replace(view, multiplicity=count)
            for view, count in zip(known, counts, strict=True)
        )
        openings = before.openings + 1
        self._replace(trunk, index, replace(before, actions=actions, draws=sum(counts), openings=openings))

    def _branch(self, request: PlayBranch) -> None:
        trunk, index = _place(request.fork_path)
        before = self._trunks[trunk].steps[index]
        played = before.actions[request.action]
        assert request.rollout == played.launched, f"{request}, while {played.launched} were played"
        launched = played.launched + 1
        if request.rollout < self._silent:
            after = replace(played, launched=launched, failures=played.failures + 1)
        else:
            value = self.option(request.fork_path, request.action).value
            won = self._luck(request.fork_path, request.action, request.rollout) < value
            after = replace(played, launched=launched, n=played.n + 1, successes=played.successes + won)
        actions = (*before.actions[: request.action], after, *before.actions[request.action + 1 :])
        self._replace(trunk, index, replace(before, actions=actions))
        self.branches += 1
        self._spend(len(self._trunks[trunk].steps) - index)

    def _replace(self, trunk: int, index: int, step: StepView) -> None:
        view = self._trunks[trunk]
        self._trunks[trunk] = replace(view, steps=(*view.steps[:index], step, *view.steps[index + 1 :]))

    def _spend(self, steps: int) -> None:
        self.calls += steps
        self.nodes += steps

    def _drawn(self, path: str, draw: int) -> int:
        options = self.step(path).options
        luck = self._luck(path, draw)
        for number, option in enumerate(options):
            luck -= option.chance
            if luck < 0:
                return number
        return len(options) - 1

    def _luck(self, *place: str | int) -> float:
        return derive_seed(self._seed, *place) / float(1 << SEED_BITS)


def _unplayed() -> ActionView:
    return ActionView(multiplicity=0, launched=0, n=0, successes=0.0, failures=0)


def _place(fork_path: str) -> tuple[int, int]:
    trunk, _, step = fork_path.partition(".s")
    return int(trunk.removeprefix("t")), int(step)
