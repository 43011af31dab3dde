"""The registry of fork policies: where to fork, how many actions, how many rollouts, when to stop.

A policy of your own is one class (`rollouts.fork_views.ForkPolicy`) in one file, and one line in `FORK_POLICIES`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rollouts.errors import UsageError
from rollouts.fork_views import (
    ActionView,
    AskCritic,
    CritiqueView,
    EpisodeView,
    ExplainsStops,
    ForkPolicy,
    OpenFork,
    PlayBranch,
    PlayRevised,
    PlayTrunk,
    Request,
    SamplingStop,
    StepView,
    Stops,
    TreeView,
)
from rollouts.policies.adaptive import Adaptive
from rollouts.policies.bisection import Bisection
from rollouts.policies.critiqued import Critiqued
from rollouts.policies.first_error import FirstError
from rollouts.policies.plain import EveryStep, NoForks
from rollouts.policies.sampling import Rule
from rollouts.policies.tree_budget import NO_LIMIT, TreeBudget, WithinBudget
from rollouts.policies.triage import TaskClass, triage

__all__ = [
    "FORK_POLICIES",
    "ActionView",
    "AskCritic",
    "BranchingSettings",
    "CritiqueView",
    "EpisodeView",
    "EveryStep",
    "ExplainsStops",
    "ForkPolicy",
    "NoForks",
    "OpenFork",
    "PlayBranch",
    "PlayRevised",
    "PlayTrunk",
    "Request",
    "SamplingStop",
    "StepView",
    "Stops",
    "TaskClass",
    "TreeView",
    "fork_policy",
    "stop_reasons",
    "triage",
]

REDRAWS = 3
# where a label hangs on how often the actor does otherwise, eighteen drafts instead of six cost less than one rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchingSettings:
    """UsageError, naming the configuration's key, for a setting that makes no sense."""

    trunks: int
    width: int
    rollouts: int
    # of one action: the number of the plain designs, the most of the sequential ones
    max_draws: int
    # of one fork; sequential policies draw up to REDRAWS times as many where a label hangs on it
    forked_trunks: int
    delta: float
    min_rollouts: int = 3
    confidence: float = 0.95
    calls_per_label: float = 1000.0
    calls_per_tree: int = 0
    branches_per_tree: int = 0
    # 0: no limit
    budget_mixed: float = 1.0
    budget_failed: float = 1.0
    budget_solved: float = 1.0

    def __post_init__(self) -> None:
        for name in ("trunks", "width", "rollouts", "max_draws", "min_rollouts"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("forked_trunks", "calls_per_tree", "branches_per_tree"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        for name in ("budget_mixed", "budget_failed", "budget_solved"):
            _require(0 <= getattr(self, name) < math.inf, name, getattr(self, name), "a multiplier of at least 0")
        _require(0 < self.delta < 1, "delta", self.delta, "a loss of value strictly between 0 and 1")
        _require(0.5 < self.confidence < 1, "confidence", self.confidence, "a probability strictly between 0.5 and 1")
        _require(self.calls_per_label > 0, "calls_per_label", self.calls_per_label, "more than 0")
        _require(
            not self.calls_per_tree or self.calls_per_tree >= self.trunks,
            "calls_per_tree",
            self.calls_per_tree,
            f"0 for no limit, or at least a call for each of the {self.trunks} trunks, which come first",
        )

    @property
    def rule(self) -> Rule:
        """Of the sequential policies. UsageError when the cap is under the minimum."""
        return Rule(
            delta=self.delta,
            confidence=self.confidence,
            min_rollouts=self.min_rollouts,
            cap=self.rollouts,
            draws=self.max_draws,
            max_draws=REDRAWS * self.max_draws,
            calls_per_label=self.calls_per_label,
        )

    @property
    def budget(self) -> TreeBudget:
        return TreeBudget(
            calls=self.calls_per_tree or NO_LIMIT,
            branches=self.branches_per_tree or NO_LIMIT,
            shares={"mixed": self.budget_mixed, "failed": self.budget_failed, "solved": self.budget_solved},
        )


def _require(holds: bool, name: str, value: float, needed: str) -> None:
    if not holds:
        raise UsageError(f"branching.{name} needs {needed}; got {value}")


def _every_step(settings: BranchingSettings) -> ForkPolicy:
    return EveryStep(
        trunks=settings.trunks,
        width=settings.width,
        rollouts=settings.rollouts,
        max_draws=settings.max_draws,
        forked_trunks=settings.forked_trunks,
    )


def _first_error(settings: BranchingSettings) -> ForkPolicy:
    return FirstError(
        trunks=settings.trunks,
        width=settings.width,
        rollouts=settings.rollouts,
        max_draws=settings.max_draws,
        forked_trunks=settings.forked_trunks,
    )


def _bisect(settings: BranchingSettings) -> ForkPolicy:
    return Bisection(trunks=settings.trunks, forked_trunks=settings.forked_trunks, rule=settings.rule)


def _adaptive(settings: BranchingSettings) -> ForkPolicy:
    return Adaptive(trunks=settings.trunks, forked_trunks=settings.forked_trunks, rule=settings.rule)


FORK_POLICIES: Mapping[str, Callable[[BranchingSettings], ForkPolicy]] = {
    "none": lambda settings: NoForks(trunks=settings.trunks),
    "every_step": _every_step,
    "first_error": _first_error,
    "bisect": _bisect,
    "adaptive": _adaptive,
}


def fork_policy(name: str, settings: BranchingSettings, *, uplift_rollouts: int | None = None) -> ForkPolicy:
    """The registered policy, within the tree's budget. UsageError for a name that is not registered.

    `uplift_rollouts`: the critic is asked about every action, and each of its critiques is played out so often; None: it is not.
    """
    if name not in FORK_POLICIES:
        raise UsageError(f"branching.policy must be one of {', '.join(sorted(FORK_POLICIES))}; got {name!r}")
    policy = FORK_POLICIES[name](settings)
    if uplift_rollouts is not None:
        policy = Critiqued(policy=policy, rollouts=uplift_rollouts)
    return WithinBudget(policy=policy, budget=settings.budget) if settings.budget.binds else policy


def stop_reasons(policy: ForkPolicy, view: TreeView) -> Stops:
    """What the policy says of a finished tree; nothing for a policy that does not explain itself."""
    return policy.stop_reasons(view) if isinstance(policy, ExplainsStops) else {}
