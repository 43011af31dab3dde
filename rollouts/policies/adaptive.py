"""Spend the next rollout where it most changes a label.

Every step of the chosen trunks is screened by a few drafts of the actor (one call each); then each round accepts the best offers of
`rollouts.policies.sampling` over all steps. Actions of consequence come before reads, and steps where the critic and the rollouts
disagree before those where they agree: that decides where calls go, never what is concluded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rollouts.episode import StepKind
from rollouts.fork_views import EpisodeView, OpenFork, PlayBranch, Request, SamplingStop, StepView, Stops, TreeView
from rollouts.policies.contrast import Contrast, contrast
from rollouts.policies.sampling import Offer, Rule, batch, next_offer
from rollouts.policies.triage import foresight, forked_trunks, missing_trunks
from rollouts.tree import step_path

STEPS_AT_ONCE = 8
# of a round: fewer make a tree slow, more spend calls on steps that another's answer would have decided
WEIGHTS: Mapping[StepKind, float] = {"write": 1.0, "transfer": 1.0, "message": 1.0, "other": 0.5, "read": 0.25}
# of a wrong label, as long as nothing seems lost. A read changes nothing but what the actor knows, so it rarely loses anything; one
# that seems to is looked at like any other
_MOST_KNOWN = 65_536
# steps whose offers are remembered: those of a thousand live trees of sixty steps

Next: TypeAlias = Offer | SamplingStop


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptive:
    trunks: int
    forked_trunks: int
    rule: Rule
    _known: dict[int, tuple[StepView, int, Next]] = field(default_factory=dict, init=False, repr=False, compare=False)
    # by the view's identity: hashing a view would cost as much as computing its offer

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        if missing := missing_trunks(view, self.trunks):
            return missing
        if unopened := tuple(self._screening(view)):
            return unopened
        offers = [(trunk, index, found) for trunk, index, found in self._all(view) if isinstance(found, Offer)]
        offers.sort(key=lambda place: -place[2].gain)
        return tuple(
            request
            for trunk, index, offer in offers[:STEPS_AT_ONCE]
            for request in accepted(trunk, index, offer, self.rule)
        )

    def _screening(self, view: TreeView) -> Iterator[Request]:
        for trunk in forked_trunks(view, self.forked_trunks):
            for index, step in enumerate(trunk.steps):
                if not step.actions:
                    yield drawn(trunk, index, self.rule.draws)

    def _all(self, view: TreeView) -> Iterator[tuple[EpisodeView, int, Next]]:
        """What is to be done next at every open fork."""
        foreseen = foresight(view)
        for trunk in forked_trunks(view, self.forked_trunks):
            for index, step in enumerate(trunk.steps):
                if step.actions:
                    yield trunk, index, self._next(step, foreseen.calls_from(index))

    def _next(self, step: StepView, calls: int) -> Next:
        known = self._known.get(id(step))
        if known is not None and known[0] is step and known[1] == calls:
            return known[2]
        contrasted = contrast(step)
        weight = _weight(step, contrasted, self.rule)
        found = next_offer(step, self.rule, contrasted=contrasted, calls=calls, label_weight=weight)
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[id(step)] = step, calls, found
        return found

    def stop_reasons(self, view: TreeView) -> Stops:
        return {
            (step_path(trunk.path, index), number): "tree_budget" if isinstance(found, Offer) else found
            for trunk, index, found in self._all(view)
            for number in range(len(trunk.steps[index].actions))
        }


def drawn(trunk: EpisodeView, index: int, draws: int) -> OpenFork:
    """All of `draws`, however many different actions they are: their shares are the actor's."""
    return OpenFork(episode_path=trunk.path, step=index, width=draws, max_draws=draws)


def accepted(trunk: EpisodeView, index: int, offer: Offer, rule: Rule) -> list[Request]:
    """The requests that carry out an offer."""
    if offer.action is None:
        return [drawn(trunk, index, rule.max_draws)]
    path, action = step_path(trunk.path, index), trunk.steps[index].actions[offer.action]
    return [PlayBranch(fork_path=path, action=offer.action, rollout=r) for r in batch(action, rule)]


def _weight(step: StepView, found: Contrast, rule: Rule) -> float:
    score = step.actions[0].score
    weight = 1.0 if found.loses(rule.delta) else WEIGHTS[step.kind]
    return weight if score is None else weight * (1 + abs(1 - score - found.probability(rule.delta)))
