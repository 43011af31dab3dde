"""The plain designs: no forks at all, and every step alike."""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.fork_views import ActionView, EpisodeView, OpenFork, PlayBranch, Request, SamplingStop, Stops, TreeView
from rollouts.policies.triage import forked_trunks, missing_trunks
from rollouts.tree import step_path


@dataclass(frozen=True, slots=True, kw_only=True)
class NoForks:
    """Trunks only."""

    trunks: int

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        return missing_trunks(view, self.trunks)

    def stop_reasons(self, view: TreeView) -> Stops:
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class EveryStep:
    """Every step of the chosen trunks, every action the same number of rollouts.

    As in Math-Shepherd (arXiv 2312.08935) and VinePPO (arXiv 2410.01679), carried from reasoning steps to actions. Rollouts are
    asked for step by step from the root, since a play from an early step is free evidence for the later ones it passes.
    """

    trunks: int
    width: int
    rollouts: int
    max_draws: int
    forked_trunks: int

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        if missing := missing_trunks(view, self.trunks):
            return missing
        chosen = forked_trunks(view, self.forked_trunks)
        unopened = tuple(
            OpenFork(episode_path=trunk.path, step=index, width=self.width, max_draws=self.max_draws)
            for trunk in chosen
            for index, step in enumerate(trunk.steps)
            if not step.actions
        )
        return unopened or tuple(request for trunk in chosen for request in self._earliest(trunk))

    def _earliest(self, trunk: EpisodeView) -> tuple[Request, ...]:
        for index, step in enumerate(trunk.steps):
            path = step_path(trunk.path, index)
            asked = tuple(
                PlayBranch(fork_path=path, action=number, rollout=rollout)
                for number, action in enumerate(step.actions)
                for rollout in range(action.launched, self._wanted(action))
                if not step.settled_by_next
            )
            if asked:
                return asked
        return ()

    def _wanted(self, action: ActionView) -> int:
        return self.rollouts - action.free_n

    def stop_reasons(self, view: TreeView) -> Stops:
        return {
            (step_path(trunk.path, index), number): self._reason(action, settled=step.settled_by_next)
            for trunk in forked_trunks(view, self.forked_trunks)
            for index, step in enumerate(trunk.steps)
            for number, action in enumerate(step.actions)
        }

    def _reason(self, action: ActionView, *, settled: bool) -> SamplingStop:
        return "fixed_count" if settled or action.launched >= self._wanted(action) else "tree_budget"
