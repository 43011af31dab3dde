"""The policy's view of a growing tree: rebuilt only where something happened since it was last asked for.

Invariants: a view depends on what has been played, never on the order in which it came; a step or an episode that nothing
happened to is the same object as in the view before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Set
from dataclasses import replace

from rollouts.episode import Episode, Review, Revise
from rollouts.evidence import ActionKey, PlayTable, return_of, settled_by_next
from rollouts.fork_views import ActionView, CritiqueView, EpisodeView, StepView, TreeView
from rollouts.tree import Fork, ForkAction, branch_place, path_order


class TreeViews:
    """Fed with what happens; `view` says what a policy may see of it."""

    def __init__(self) -> None:
        self._plays = PlayTable()
        self._trunks: dict[str, Episode] = {}
        self._forks: dict[str, Fork] = {}
        self._reviews: dict[tuple[str, int], Review] = {}
        self._places: dict[ActionKey, set[tuple[str, int]]] = defaultdict(set)
        # (fork path, action) of every known action
        self._changed: dict[str, set[int]] = defaultdict(set)
        # by fork: actions that something happened to
        self._openings: dict[str, int] = defaultdict(int)
        self._views: dict[str, EpisodeView] = {}
        # of the trunks, in path order
        self._calls = 0

    def trunk(self, episode: Episode) -> None:
        self._trunks[episode.path] = episode
        self._calls += episode.spend.calls
        view = EpisodeView(
            path=episode.path,
            returned=return_of(episode),
            steps=tuple(StepView(kind=step.kind, actions=()) for step in episode.steps),
            calls=episode.spend.calls,
        )
        views = {**self._views, episode.path: view}
        self._views = {path: views[path] for path in sorted(views, key=path_order)}

    def branch(self, episode: Episode) -> None:
        """A play from a fork, revised or not."""
        self._calls += episode.spend.calls
        for key in self._plays.add(episode):
            for fork_path, action in self._places.get(key, ()):
                self._changed[fork_path].add(action)
        if place := branch_place(episode.path):
            self._changed[place.fork_path].add(place.action)

    def fork(self, fork: Fork, *, calls: int) -> None:
        """A fork was opened, or drawn at again; `calls`: made for it now."""
        self._calls += calls
        self._forks[fork.path] = fork
        self._openings[fork.path] += 1
        for action in fork.actions:
            self._places[fork.state_key, action.action_key].add((fork.path, action.index))
            self._changed[fork.path].add(action.index)

    def reviewed(self, fork_path: str, action: int, review: Review, *, calls: int) -> None:
        self._calls += calls
        self._reviews[fork_path, action] = review
        self._changed[fork_path].add(action)

    def view(self) -> TreeView:
        steps: dict[str, list[StepView]] = {}
        for path, actions in self._changed.items():
            fork = self._forks[path]
            if fork.episode_path not in steps:
                steps[fork.episode_path] = list(self._views[fork.episode_path].steps)
            trunk = steps[fork.episode_path]
            trunk[fork.step] = self._step(fork, trunk[fork.step], actions)
        self._changed.clear()
        for path, changed in steps.items():
            self._views[path] = replace(self._views[path], steps=tuple(changed))
        return TreeView(trunks=tuple(self._views.values()), calls=self._calls)

    def _step(self, fork: Fork, before: StepView, changed: Set[int]) -> StepView:
        known = before.actions
        return StepView(
            kind=before.kind,
            actions=tuple(
                self._action(fork, action) if action.index in changed else known[action.index]
                for action in fork.actions
            ),
            draws=fork.draws,
            openings=self._openings[fork.path],
            settled_by_next=settled_by_next(fork, self._trunks[fork.episode_path]),
        )

    def _action(self, fork: Fork, action: ForkAction) -> ActionView:
        evidence = self._plays.evidence(fork, action)
        started, free = evidence.started, evidence.free
        review = self._reviews.get((fork.path, action.index))
        return ActionView(
            multiplicity=action.multiplicity,
            launched=started.launched,
            n=started.n,
            successes=started.successes,
            failures=started.failures,
            free_n=free.n,
            free_successes=free.successes,
            judged=review is not None,
            score=review.score if review else None,
            critique=self._critique(fork, action) if review and isinstance(review.verdict, Revise) else None,
        )

    def _critique(self, fork: Fork, action: ForkAction) -> CritiqueView:
        plays = self._plays.delivered(fork.path, action.index)
        return CritiqueView(launched=plays.launched, n=plays.n, successes=plays.successes, failures=plays.failures)
