"""Binary search for the first action of a failing trunk after which no rollout succeeds, and alternatives there.

The criterion of OmegaPRM (arXiv 2406.06592): a prefix is lost when its Monte-Carlo value is 0 (here: at most `threshold`). It takes
values to be monotone along the trunk; where they are not (a third of ambiguous states), it finds some lost prefix, not the first.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.fork_views import EpisodeView, OpenFork, PlayBranch, Request, Stops, TreeView
from rollouts.policies.prefix import more_of_prefix, prefix_counts
from rollouts.policies.sampling import MAX_OPENINGS
from rollouts.policies.triage import failing_trunks, missing_trunks
from rollouts.tree import step_path


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstError:
    trunks: int
    forked_trunks: int
    rollouts: int
    # of every prefix that is looked at, and of every action at the error
    width: int
    max_draws: int
    threshold: float = 0.0
    # mean return at or under which a prefix is lost

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        if missing := missing_trunks(view, self.trunks):
            return missing
        return tuple(request for trunk in failing_trunks(view, self.forked_trunks) for request in self._search(trunk))

    def _search(self, trunk: EpisodeView) -> tuple[Request, ...]:
        """The trunk's last prefix is lost, since the trunk failed."""
        first, lost = 0, len(trunk.steps) - 1
        while first < lost:
            middle = (first + lost) // 2
            if more := more_of_prefix(trunk, middle, to=self.rollouts):
                return more
            if self._is_lost(trunk, middle):
                lost = middle
            else:
                first = middle + 1
        return self._alternatives(trunk, lost)

    def _is_lost(self, trunk: EpisodeView, step: int) -> bool:
        """One whose rollouts all failed for reasons of ours is not known to be lost."""
        successes, n = prefix_counts(trunk, step)
        return n > 0 and successes <= self.threshold * n

    def _alternatives(self, trunk: EpisodeView, step: int) -> tuple[Request, ...]:
        found = trunk.steps[step]
        drawn = sum(action.multiplicity for action in found.actions)
        if not found.actions or (drawn == 1 < self.max_draws and found.openings < MAX_OPENINGS):
            return (OpenFork(episode_path=trunk.path, step=step, width=self.width, max_draws=self.max_draws),)
        return tuple(
            PlayBranch(fork_path=step_path(trunk.path, step), action=number, rollout=rollout)
            for number, action in enumerate(found.actions)
            for rollout in range(action.launched, self.rollouts - action.free_n)
        )

    def stop_reasons(self, view: TreeView) -> Stops:
        return {
            (step_path(trunk.path, index), number): "fixed_count"
            if action.launched >= self.rollouts - action.free_n
            else "tree_budget"
            for trunk in failing_trunks(view, self.forked_trunks)
            for index, step in enumerate(trunk.steps)
            for number, action in enumerate(step.actions)
        }
