"""What an action loses: V(s) − Q(s, a), as the counts of one fork tell it, and which observation would tell more.

The actor does something else than a with chance f, and then gets O on average: V − Q = f (O − Q). The draws of the fork estimate f
and the shares of the other actions in O; the forked episode's own draft is left out, since it was chosen by its outcome. Where the
actor never does anything else nothing can be lost, so a few drafts, one call each, spare most rollouts. Rollouts of a and of the
others are independent evidence; an action drawn and never played is expected to be worth what the others are.

Means and variances are those of the posteriors, the distribution of the loss is taken to be normal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rollouts.fork_views import ActionView, StepView
from rollouts.posterior import PRIOR, Beta, posterior


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One action of the fork."""

    index: int
    value: Beta
    share: float
    # of the variance of O − Q that is this arm's alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    mean: float
    variance: float
    deviation: Beta
    # f
    gap: float
    gap_variance: float
    # of O − Q
    arms: tuple[Arm, ...]
    # the action first, then the others that were drawn
    pooled_variance: float
    # of O − Q, from not knowing what the other actions are worth as a whole
    pooled_weight: float
    support: int
    # rollouts of the action, or of the others together, whichever are fewer

    def loses(self, delta: float) -> bool:
        """What the point estimate says; nothing is claimed of an action when one side was never played."""
        return self.support > 0 and self.mean >= delta

    def probability(self, delta: float) -> float:
        """That the action loses delta or more."""
        return 0.5 * math.erfc((delta - self.mean) / math.sqrt(2 * self.variance))

    def contested(self, delta: float) -> float:
        """Probability that what the actor does here matters: O and Q are delta or more apart."""
        scale = math.sqrt(2 * self.gap_variance)
        return 0.5 * (math.erfc((delta - self.gap) / scale) + math.erfc((delta + self.gap) / scale))

    def removed_by_rollouts(self, arm: Arm, count: int) -> float:
        """Share of the loss's variance that `count` more rollouts of the arm are expected to take away."""
        gone = arm.share * count / (arm.value.weight + count)
        if arm is not self.arms[0]:
            gone += self.pooled_variance * count / (self.pooled_weight + count)
        return (self.deviation.mean**2 + self.deviation.variance) * gone / self.variance

    def removed_by_draws(self, count: int) -> float:
        """Share of the loss's variance that `count` more draws are expected to take away."""
        known = count / (self.deviation.weight + count)
        return self.deviation.variance * (self.gap**2 + self.gap_variance) * known / self.variance


def observed(action: ActionView) -> tuple[float, int]:
    """Sum of returns and their number: rollouts, and free evidence of the same action in an equal state."""
    return action.successes + action.free_successes, action.n + action.free_n


def contrast(step: StepView, action: int = 0) -> Contrast:
    """Of an action of an open fork."""
    drawn = [view.multiplicity - (index == 0) for index, view in enumerate(step.actions)]
    others = [index for index, times in enumerate(drawn) if times and index != action]
    deviation = Beta(a=sum(drawn) - drawn[action] + PRIOR, b=drawn[action] + PRIOR)
    own = posterior(*observed(step.actions[action]))
    pool = _pooled([observed(step.actions[index]) for index in others])
    weights = [drawn[index] / sum(drawn[other] for other in others) for index in others]
    values = [_shrunk(step.actions[index], pool) for index in others]
    rest = 1.0 if not others else sum(w / value.weight for w, value in zip(weights, values, strict=True))
    # what the pool's own uncertainty counts for in O
    gap = (
        sum((w * value.mean for w, value in zip(weights, values, strict=True)), 0.0 if others else pool.mean) - own.mean
    )
    arms = (
        Arm(index=action, value=own, share=own.variance),
        *(
            Arm(index=index, value=value, share=w * w * value.variance)
            for index, w, value in zip(others, weights, values, strict=True)
        ),
    )
    pooled_variance = rest * rest * pool.variance
    gap_variance = pooled_variance + sum(arm.share for arm in arms)
    squares = deviation.mean**2 + deviation.variance
    return Contrast(
        mean=deviation.mean * gap,
        variance=squares * gap_variance + deviation.variance * gap * gap,
        deviation=deviation,
        gap=gap,
        gap_variance=gap_variance,
        arms=arms,
        pooled_variance=pooled_variance,
        pooled_weight=pool.weight,
        support=min(observed(step.actions[action])[1], sum(observed(step.actions[index])[1] for index in others)),
    )


def _pooled(counts: Sequence[tuple[float, int]]) -> Beta:
    return posterior(sum(successes for successes, _ in counts), sum(n for _, n in counts))


def _shrunk(action: ActionView, pool: Beta) -> Beta:
    """The pool counts as one observation."""
    successes, n = observed(action)
    return Beta(a=successes + pool.mean, b=n - successes + 1 - pool.mean)
