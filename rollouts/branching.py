"""Fork policies: where to fork, how many actions, how many rollouts, when to stop.

A policy is pure. It is asked again whenever everything it asked for has been played, sees kinds, counts and returns only
(never texts, never arrival order), and answers with requests; no requests means the tree is finished. So it can be tested against
a world whose values are known, and a tree is the same whatever the order of events.

A policy of your own is one class and one line in `FORK_POLICIES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from rollouts.episode import StepKind
from rollouts.errors import UsageError
from rollouts.meter import SOLVED
from rollouts.tree import step_path

# -- what a policy sees -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionView:
    multiplicity: int
    # how many of the fork's draws gave it
    launched: int
    # rollouts played so far: n + failures
    n: int
    successes: float
    # sum of returns
    failures: int
    free_n: int = 0
    free_successes: float = 0.0
    # of other plays of the tree that took this action in an equal state of their own accord, and cost nothing here
    score: float | None = None
    # the critic's probability that it should be approved; None: not asked, or it gave none
    critique: CritiqueView | None = None
    # None: the critic was not asked, or it approved


@dataclass(frozen=True, slots=True, kw_only=True)
class CritiqueView:
    """Plays in which the actor was given the critic's feedback on an action, revised it, and went on."""

    launched: int
    n: int
    successes: float
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    kind: StepKind
    actions: tuple[ActionView, ...]
    # empty until the step is forked; action 0 is the episode's own
    draws: int = 0
    # drafts drawn at the fork, the episode's own included
    settled_by_next: bool = False
    # the actor gave the same action at every draw, and its result is a function of the state: V here is V at the next step


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeView:
    path: str
    returned: float | None
    # None: failed or cut short
    steps: tuple[StepView, ...]
    calls: int = 0
    # LLM calls made for its steps


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeView:
    trunks: tuple[EpisodeView, ...]
    calls: int = 0
    # LLM calls of the whole tree so far


# -- what it can ask for ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayTrunk:
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFork:
    """Draw drafts from the actor before `step` until `width` different actions are known, the episode's own included."""

    episode_path: str
    step: int
    width: int
    max_draws: int
    # the episode's own draft included


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayBranch:
    fork_path: str
    action: int
    rollout: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskCritic:
    """Have the critic judge an action of a fork; its answer is then in `ActionView.score` and `.critique`."""

    fork_path: str
    action: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayRevised:
    """From the forked state: give the actor the critic's feedback on `action`, let it revise, and go on."""

    fork_path: str
    action: int
    rollout: int


Request: TypeAlias = PlayTrunk | OpenFork | PlayBranch


class ForkPolicy(Protocol):
    def requests(self, view: TreeView) -> tuple[Request, ...]: ...


# -- the policies -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NoForks:
    """Trunks only."""

    trunks: int

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        return tuple(PlayTrunk(index=index) for index in range(len(view.trunks), self.trunks))


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryStep:
    """The plain design: every step of the chosen trunks, every action the same number of rollouts.

    As in Math-Shepherd (arXiv 2312.08935) and VinePPO (arXiv 2410.01679), carried from reasoning steps to actions.
    """

    trunks: int
    width: int
    rollouts: int
    max_draws: int
    forked_trunks: int
    # failing ones first, then by index

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        if len(view.trunks) < self.trunks:
            return NoForks(trunks=self.trunks).requests(view)
        chosen = self._chosen(view)
        unopened = tuple(
            OpenFork(episode_path=trunk.path, step=index, width=self.width, max_draws=self.max_draws)
            for trunk in chosen
            for index, step in enumerate(trunk.steps)
            if not step.actions
        )
        return unopened or tuple(
            PlayBranch(fork_path=step_path(trunk.path, index), action=number, rollout=rollout)
            for trunk in chosen
            for index, step in enumerate(trunk.steps)
            for number, action in enumerate(step.actions)
            for rollout in range(action.launched, self.rollouts)
        )

    def _chosen(self, view: TreeView) -> list[EpisodeView]:
        """A failing trunk holds the step that lost the value, so it comes first; one without a return is never forked."""
        known = [trunk for trunk in view.trunks if trunk.returned is not None]
        known.sort(key=lambda trunk: (trunk.returned or 0.0) >= SOLVED)
        return known[: self.forked_trunks]


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchingSettings:
    trunks: int
    width: int
    rollouts: int
    max_draws: int
    forked_trunks: int
    delta: float


def _every_step(settings: BranchingSettings) -> ForkPolicy:
    return EveryStep(
        trunks=settings.trunks,
        width=settings.width,
        rollouts=settings.rollouts,
        max_draws=settings.max_draws,
        forked_trunks=settings.forked_trunks,
    )


FORK_POLICIES: Mapping[str, Callable[[BranchingSettings], ForkPolicy]] = {
    "none": lambda settings: NoForks(trunks=settings.trunks),
    "every_step": _every_step,
}


def fork_policy(name: str, settings: BranchingSettings) -> ForkPolicy:
    """The registered policy. UsageError for a name that is not registered."""
    if name not in FORK_POLICIES:
        raise UsageError(f"branching.policy must be one of {', '.join(sorted(FORK_POLICIES))}; got {name!r}")
    return FORK_POLICIES[name](settings)
