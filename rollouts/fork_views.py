"""What a fork policy sees, and what it can ask for: the seam between those who decide and `rollouts.explore`, which plays.

A view holds kinds, counts and returns only: never texts, never arrival order. So a policy can be tested against a world whose
values are known, and a tree is the same whatever the order of events. A view that did not change is the same object next round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from rollouts.episode import StepKind

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
    judged: bool = False
    # the critic was asked
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
    openings: int = 0
    # how often the fork was opened; one that failed to give the draws it was asked for is not opened for ever
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
    """Draw drafts from the actor before `step` until `width` different actions are known, the episode's own included.

    A fork that is open may be opened again for more draws: known actions keep their indices, and drawing goes on after the draws
    that were made (their places, and so their seeds and answers, are the same).
    """

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


Request: TypeAlias = PlayTrunk | OpenFork | PlayBranch | AskCritic | PlayRevised

SamplingStop: TypeAlias = Literal["decided", "cap", "tree_budget", "fixed_count", "not_needed"]
# why no more rollouts of an action were asked for: its label was decided; the most rollouts of one action were played; the tree's
# budget was spent; the policy plays a number fixed beforehand; the policy never wanted more (a search passed the action by)

Stops: TypeAlias = Mapping[tuple[str, int], SamplingStop]
# (fork path, action index) → why its sampling ended


class ForkPolicy(Protocol):
    """Pure: asked again whenever everything it asked for has been played; no requests means the tree is finished."""

    def requests(self, view: TreeView) -> tuple[Request, ...]: ...


@runtime_checkable
class ExplainsStops(Protocol):
    """A fork policy that can say of a finished tree why it asked for no more.

    One that stops on what it saw must: without a reason a number of rollouts counts as fixed beforehand, and labels would rest on
    intervals that do not hold then.
    """

    def stop_reasons(self, view: TreeView) -> Stops:
        """Of every action of every open fork."""
