"""Any fork policy within a budget of branches and LLM calls for each tree, scaled by the class of its task.

A request is let through while what it is foreseen to cost fits, in the policy's own order; a tree whose next requests do not fit
is finished, and what it has is valid. Branches never exceed their budget. Calls are known only once a play has ended, so they can
exceed theirs by as much as the plays of one round outlast the longest trunk. The trunks come first and are never refused: without
them nothing is known of the task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from rollouts.fork_views import (
    AskCritic,
    ExplainsStops,
    ForkPolicy,
    OpenFork,
    PlayBranch,
    PlayRevised,
    PlayTrunk,
    Request,
    Stops,
    TreeView,
)
from rollouts.policies.triage import Foresight, TaskClass, foresight, triage

NO_LIMIT = math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeBudget:
    calls: float
    # trunks included
    branches: float
    shares: Mapping[TaskClass, float]
    # of both, by the class of the task; 0: a task of this class is not forked at all

    @property
    def binds(self) -> bool:
        """Whether there is any tree that it would keep from something."""
        return min(self.calls, self.branches) < NO_LIMIT or 0 in self.shares.values()

    def of(self, kind: TaskClass) -> TreeBudget:
        share = self.shares.get(kind, 1.0)
        if not share:
            return TreeBudget(calls=0.0, branches=0.0, shares={})
        return TreeBudget(calls=self.calls * share, branches=self.branches * share, shares={})


@dataclass(frozen=True, slots=True, kw_only=True)
class WithinBudget:
    policy: ForkPolicy
    budget: TreeBudget

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        asked = self.policy.requests(view)
        if all(isinstance(request, PlayTrunk) for request in asked):
            return asked
        limit, foreseen = self.budget.of(triage(view)), foresight(view)
        calls, branches = float(view.calls), float(_branches(view))
        admitted = []
        for request in asked:
            cost, plays = _cost(request, view, foreseen), isinstance(request, PlayBranch | PlayRevised)
            if calls + cost <= limit.calls and branches + plays <= limit.branches:
                admitted.append(request)
                calls, branches = calls + cost, branches + plays
        return tuple(admitted)

    def stop_reasons(self, view: TreeView) -> Stops:
        return self.policy.stop_reasons(view) if isinstance(self.policy, ExplainsStops) else {}


def _branches(view: TreeView) -> int:
    return sum(
        action.launched + (action.critique.launched if action.critique else 0)
        for trunk in view.trunks
        for step in trunk.steps
        for action in step.actions
    )


def _cost(request: Request, view: TreeView, foreseen: Foresight) -> int:
    match request:
        case PlayTrunk():
            return foreseen.calls_from(0)
        case OpenFork(episode_path=path, step=step, max_draws=draws):
            [trunk] = [trunk for trunk in view.trunks if trunk.path == path]
            return draws - max(trunk.steps[step].draws, 1)
        case PlayBranch(fork_path=path):
            return foreseen.calls_from(int(path.rpartition(".s")[2]))
        case PlayRevised(fork_path=path):
            return foreseen.calls_from(int(path.rpartition(".s")[2]))
        case AskCritic():
            return 1
        case _:
            assert_never(request)
