"""Sequential search for the actions of a failing trunk that lost value.

Every step is screened by a few drafts of the actor: where it never does anything else, nothing can be lost by its own doing, and
the search passes by. Between two prefixes of the trunk whose values differ by half of delta or more, something was lost: look in
the middle, until the two are neighbours. Each comparison draws rollouts only until it is decided. Then the last action between
them is a suspect, and it is confirmed in its own state, against what the actor does there otherwise: the drop may have been the
world's chance, or a value that came back later, since values are not monotone along a trunk. Several losses are found side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from rollouts.fork_views import EpisodeView, PlayBranch, Request, SamplingStop, Stops, TreeView
from rollouts.policies.adaptive import accepted, drawn
from rollouts.policies.contrast import contrast
from rollouts.policies.prefix import is_spent, more_of_prefix, prefix_counts, prefix_value
from rollouts.policies.sampling import BATCH, Offer, Rule, next_offer
from rollouts.policies.triage import failing_trunks, foresight, missing_trunks
from rollouts.posterior import Beta, posterior, probability_greater
from rollouts.tree import step_path

SEARCH_MARGIN = 0.5
# of delta: a loss of delta seen through the noise of two prefixes; the confirmation asks for all of it
SEARCH_CONFIDENCE = 0.8
# at which a comparison of prefixes ends: it only says where to look, what is claimed is confirmed
_ROOT = -1
# the prefix without any action


@dataclass(frozen=True, slots=True, kw_only=True)
class Bisection:
    trunks: int
    forked_trunks: int
    rule: Rule

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        if missing := missing_trunks(view, self.trunks):
            return missing
        failing = failing_trunks(view, self.forked_trunks)
        if unopened := tuple(
            drawn(trunk, index, self.rule.draws)
            for trunk in failing
            for index, step in enumerate(trunk.steps)
            if not step.actions
        ):
            return unopened
        return tuple(dict.fromkeys(request for trunk in failing for request in self._search(view, trunk)))

    def _search(self, view: TreeView, trunk: EpisodeView) -> Iterator[Request]:
        last = len(trunk.steps) - 1
        for start, end in pairwise(sorted({_ROOT, last // 2, last})):
            yield from self._between(view, trunk, start, end)

    def _between(self, view: TreeView, trunk: EpisodeView, start: int, end: int) -> Iterator[Request]:
        if not any(_has_choice(trunk, step) for step in range(start + 1, end + 1)):
            return
        unknown = [step for step in (start, end) if step != _ROOT and not self._begun(trunk, step)]
        if unknown:
            for step in unknown:
                yield from more_of_prefix(trunk, step, to=self.rule.min_rollouts)
            return
        match self._drop(view, trunk, start, end):
            case None:
                yield from self._sharpened(view, trunk, start, end)
            case True if end - start == 1:
                yield from self._confirmed(view, trunk, end)
            case True:
                middle = (start + end) // 2
                yield from self._between(view, trunk, start, middle)
                yield from self._between(view, trunk, middle, end)
            case False:
                return

    def _begun(self, trunk: EpisodeView, step: int) -> bool:
        return prefix_counts(trunk, step)[1] >= self.rule.min_rollouts or is_spent(trunk, step, self.rule.cap)

    def _value(self, view: TreeView, trunk: EpisodeView, step: int) -> Beta:
        """Before its first action the trunk is worth what the other trunks made of it."""
        if step != _ROOT:
            return prefix_value(trunk, step)
        others = [t.returned for t in view.trunks if t.returned is not None and t.path != trunk.path]
        return posterior(sum(others), len(others))

    def _drop(self, view: TreeView, trunk: EpisodeView, start: int, end: int) -> bool | None:
        """Whether value was lost between the two; None: not known yet, and it can be."""
        before, after = self._value(view, trunk, start), self._value(view, trunk, end)
        probability = probability_greater(before, after, margin=SEARCH_MARGIN * self.rule.delta)
        if max(probability, 1 - probability) >= SEARCH_CONFIDENCE or not self._open(trunk, start, end):
            return probability >= 0.5
        return None

    def _open(self, trunk: EpisodeView, start: int, end: int) -> list[int]:
        return [step for step in (start, end) if step != _ROOT and not is_spent(trunk, step, self.rule.cap)]

    def _sharpened(self, view: TreeView, trunk: EpisodeView, start: int, end: int) -> tuple[Request, ...]:
        """More rollouts of the prefix whose value is less well known."""
        step = max(self._open(trunk, start, end), key=lambda at: self._value(view, trunk, at).variance)
        known = prefix_counts(trunk, step)[1]
        return more_of_prefix(trunk, step, to=min(known + BATCH, self.rule.cap))

    def _confirmed(self, view: TreeView, trunk: EpisodeView, step: int) -> list[Request]:
        offer = self._offer(view, trunk, step)
        return accepted(trunk, step, offer, self.rule) if isinstance(offer, Offer) else []

    def _offer(self, view: TreeView, trunk: EpisodeView, index: int) -> Offer | SamplingStop:
        step = trunk.steps[index]
        return next_offer(step, self.rule, contrasted=contrast(step), calls=foresight(view).calls_from(index))

    def stop_reasons(self, view: TreeView) -> Stops:
        pending = {request.fork_path for request in self.requests(view) if isinstance(request, PlayBranch)}
        return {
            (path, number): "tree_budget" if path in pending else self._reason(view, trunk, index)
            for trunk in failing_trunks(view, self.forked_trunks)
            for index, step in enumerate(trunk.steps)
            if (path := step_path(trunk.path, index))
            for number in range(len(step.actions))
        }

    def _reason(self, view: TreeView, trunk: EpisodeView, index: int) -> SamplingStop:
        found = self._offer(view, trunk, index)
        return "not_needed" if isinstance(found, Offer) else found


def _has_choice(trunk: EpisodeView, step: int) -> bool:
    """Whether the actor was seen to do something else there, or was not seen at all."""
    actions = trunk.steps[step].actions
    return len(actions) > 1 or sum(action.multiplicity for action in actions) == 1
