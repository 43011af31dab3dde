"""Sequential sampling at one fork: the observation that takes away the most error per LLM call, as long as one is worth it.

An observation is a rollout of one action, or more draws of the actor. The errors it can take away are a wrong label (the chance
that the decision on delta is wrong, times the share of the loss's variance that goes) and, where the actor's choice matters, a
wrong value (the expected shrinking of its posterior's standard deviation). So rollouts go where the product of weight and spread
is largest, as in Neyman allocation.

    OPEN → decided       the label is sure enough, and no value is worth another rollout
    OPEN → cap           no action may be played any more
    OPEN → not_needed    the label is in doubt, but what an observation would change is not worth its calls
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rollouts.errors import UsageError
from rollouts.fork_views import ActionView, SamplingStop, StepView
from rollouts.policies.contrast import Arm, Contrast, observed

BATCH = 2
# rollouts of an action asked for at once: with one, a tree takes twice the rounds; with four, more of them than were needed
UNTRIED_DOUBT = 0.2
# of a label, as long as either side lacks min_rollouts: two failures on both sides look like no loss, and one step in five that is
# contested loses delta all the same (known-values world)
MAX_OPENINGS = 2
# of a fork: one that did not give all its draws then is left with those it has


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    delta: float
    confidence: float
    # posterior probability at which a label is sure enough
    min_rollouts: int
    # of the action, and of the others together, before it can be sure that an action loses delta
    cap: int
    # rollouts of one action
    draws: int
    # of a fork that is screened, the episode's own included
    max_draws: int
    # of a fork whose label hangs on how often the actor does otherwise
    calls_per_label: float
    # LLM calls that are worth spending to turn one wrong label into a right one; a value's error of 1 counts as much

    def __post_init__(self) -> None:
        if self.min_rollouts > self.cap:
            raise UsageError(
                f"branching.min_rollouts needs at most branching.rollouts ({self.cap}), the cap of sequential policies; "
                f"got {self.min_rollouts}"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What could be done next at a fork."""

    gain: float
    # error taken away per LLM call
    action: int | None
    # a rollout of this action; None: draw more


def next_offer(
    step: StepView, rule: Rule, *, contrasted: Contrast, calls: int, label_weight: float = 1.0
) -> Offer | SamplingStop:
    """The best observation at an open fork, or why there is none.

    `contrasted`: the step's (`rollouts.policies.contrast`); `calls`: what a rollout costs there.
    """
    doubt = _doubt(rule, contrasted)
    best = max(_offers(step, rule, contrasted, doubt * label_weight, calls), key=_gain, default=None)
    if best is None:
        return "cap" if doubt else "decided"
    if best.gain * rule.calls_per_label < 1:
        return "not_needed" if doubt else "decided"
    return best


def batch(action: ActionView, rule: Rule) -> range:
    """Indices of the rollouts to play next."""
    return range(action.launched, min(action.launched + BATCH, rule.cap))


def _gain(offer: Offer) -> float:
    return offer.gain


def _doubt(rule: Rule, contrasted: Contrast) -> float:
    """Chance that the label is wrong; 0 where it is sure enough."""
    probability = contrasted.probability(rule.delta)
    doubt = min(probability, 1 - probability)
    if contrasted.support < rule.min_rollouts and contrasted.deviation.mean >= rule.delta:
        return max(doubt, UNTRIED_DOUBT)
    return doubt if doubt > 1 - rule.confidence else 0.0


def _offers(step: StepView, rule: Rule, contrasted: Contrast, doubt: float, calls: int) -> Iterator[Offer]:
    matters = contrasted.contested(rule.delta) if len(contrasted.arms) > 1 else 0.0
    for arm in contrasted.arms:
        if not _exhausted(step.actions[arm.index], rule):
            gain = doubt * contrasted.removed_by_rollouts(arm, BATCH) + matters * _shrinking(arm)
            yield Offer(gain=gain / (BATCH * calls), action=arm.index)
    more = rule.max_draws - sum(action.multiplicity for action in step.actions)
    if more > 0 and step.openings < MAX_OPENINGS:
        yield Offer(gain=doubt * contrasted.removed_by_draws(more) / more, action=None)


def _shrinking(arm: Arm) -> float:
    left = math.sqrt(arm.value.weight / (arm.value.weight + BATCH))
    return math.sqrt(arm.value.variance) * (1 - left)


def _exhausted(action: ActionView, rule: Rule) -> bool:
    return max(action.launched, observed(action)[1]) >= rule.cap
