"""A fork policy with the critic's word on every action it tried, and the worth of each critique measured beside it.

Every action gets the critic's verdict as soon as it is drawn, together with what the policy inside asks for, which sees the scores
from the next round on. Once the policy asks for nothing more, every critique gets two arms: plays in which it is delivered, and
plays in which the action is executed. The second arm is evidence for the action's value too, and what there is of it already is not
played again. A tree's budget goes around this policy (`rollouts.branching.fork_policy`), so that what the critic costs is in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rollouts.errors import UsageError
from rollouts.fork_views import (
    ActionView,
    AskCritic,
    ExplainsStops,
    ForkPolicy,
    PlayBranch,
    PlayRevised,
    Request,
    Stops,
    TreeView,
)
from rollouts.tree import step_path


@dataclass(frozen=True, slots=True, kw_only=True)
class Critiqued:
    policy: ForkPolicy
    rollouts: int
    # of each arm: the critique delivered, and the action executed; 0: the critic is asked and nothing is played for it

    def __post_init__(self) -> None:
        if self.rollouts < 0:
            raise UsageError(f"branching.uplift_rollouts must be 0 or more, got {self.rollouts}")

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        inner, actions = self.policy.requests(view), list(_actions(view))
        asks = tuple(AskCritic(fork_path=path, action=index) for path, index, action in actions if not action.judged)
        if inner:
            return (*asks, *inner)
        plays = (play for path, index, action in actions for play in self._plays(path, index, action))
        return (*asks, *plays)

    def _plays(self, path: str, index: int, action: ActionView) -> Iterator[Request]:
        if action.critique is None:
            return
        for rollout in range(action.critique.launched, self.rollouts):
            yield PlayRevised(fork_path=path, action=index, rollout=rollout)
        for rollout in range(action.launched, self.rollouts - action.free_n):
            yield PlayBranch(fork_path=path, action=index, rollout=rollout)

    def stop_reasons(self, view: TreeView) -> Stops:
        return self.policy.stop_reasons(view) if isinstance(self.policy, ExplainsStops) else {}


def _actions(view: TreeView) -> Iterator[tuple[str, int, ActionView]]:
    for trunk in view.trunks:
        for step_index, step in enumerate(trunk.steps):
            for action_index, action in enumerate(step.actions):
                yield step_path(trunk.path, step_index), action_index, action
