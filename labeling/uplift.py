"""What a critique was worth: success when it is delivered minus success when the criticised draft is executed, from one state.

Rollout r of both arms meets the same user, so the arms are paired where both have it. The interval combines the arms' Jeffreys
intervals by the square-and-add rule with the correlation of the pairs: Newcombe, "Improved confidence intervals for the difference
between binomial proportions based on paired data", Statistics in Medicine 17, 1998, method 10 (Jeffreys in place of Wilson bounds).
Plays of one arm only (free evidence, failures in the other) count too: the covariance of two means that share m pairs of n1 and n2
plays is that of a pair times m / (n1 n2), so the correlation is scaled by m / sqrt(n1 n2). With m = n1 = n2 this is the paired
interval, with m = 0 the unpaired one (`rollouts.estimates.difference_interval`).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from labeling.records import ActionValue, CritiqueValue, Worth
from rollouts.episode import Episode, Review, Revise, Verdict
from rollouts.estimates import Interval, jeffreys_interval
from rollouts.evidence import return_of
from rollouts.tree import Tree, branch_place

LABELER = "uplift-1"

Pair: TypeAlias = tuple[float, float]
# returns of one rollout: delivered, executed


def critique_values(tree: Tree, values: Sequence[ActionValue], *, level: float) -> list[CritiqueValue]:
    """One for each action that the critic judged at a fork, in the order of `values`; `level`: the intervals' nominal coverage."""
    judged = {
        (fork.path, action.index): action.review
        for fork in tree.forks.values()
        for action in fork.actions
        if action.review is not None
    }
    plays = _plays_by_arm(tree, judged)
    executed = {(value.fork_path, value.action_index): value for value in values}
    return [
        _critique(value, judged[place], plays[place], level=level)
        for place, value in executed.items()
        if place in judged
    ]


@dataclass(frozen=True, slots=True)
class _Arms:
    """The plays started for one action, by rollout."""

    delivered: dict[int, Episode] = field(default_factory=dict)
    executed: dict[int, Episode] = field(default_factory=dict)


def _plays_by_arm(tree: Tree, wanted: Collection[tuple[str, int]]) -> Mapping[tuple[str, int], _Arms]:
    arms: dict[tuple[str, int], _Arms] = defaultdict(_Arms)
    for path, episode in tree.episodes.items() if wanted else ():
        place = branch_place(path)
        if place is not None and (place.fork_path, place.action) in wanted:
            found = arms[place.fork_path, place.action]
            (found.executed if place.critique is None else found.delivered)[place.rollout] = episode
    return arms


def _critique(executed: ActionValue, review: Review, plays: _Arms, *, level: float) -> CritiqueValue:
    delivered = {rollout: value for rollout, play in plays.delivered.items() if (value := return_of(play)) is not None}
    pairs = [
        (value, other)
        for rollout, value in delivered.items()
        if rollout in plays.executed and (other := return_of(plays.executed[rollout])) is not None
    ]
    uplift = _uplift(list(delivered.values()), executed, pairs, level=level)
    revisions = [plays.delivered[rollout].steps[0].action_key for rollout in delivered]
    return CritiqueValue(
        fork_path=executed.fork_path,
        episode_path=executed.episode_path,
        step=executed.step,
        state_key=executed.state_key,
        action_index=executed.action_index,
        action_key=executed.action_key,
        action=executed.action,
        kind=executed.kind,
        verdict=review.verdict,
        score=review.score,
        delivered_n=len(delivered),
        delivered_successes=sum(delivered.values()),
        delivered_failures=len(plays.delivered) - len(delivered),
        unchanged_n=revisions.count(executed.action_key),
        executed_n=executed.n,
        executed_successes=executed.successes,
        num_pairs=len(pairs),
        uplift_mean=uplift.mean if uplift else None,
        uplift_lower=uplift.lower if uplift else None,
        uplift_upper=uplift.upper if uplift else None,
        level=level,
        worth=_worth(review.verdict, uplift),
        labeler=LABELER,
    )


def _worth(verdict: Verdict | None, uplift: Interval | None) -> Worth | None:
    if not isinstance(verdict, Revise):
        return None
    if uplift is None or uplift.lower <= 0 <= uplift.upper:
        return "undecided"
    return "helpful" if uplift.lower > 0 else "harmful"


def _uplift(
    delivered: Sequence[float], executed: ActionValue, pairs: Sequence[Pair], *, level: float
) -> Interval | None:
    if not delivered or not executed.n:
        return None
    first = jeffreys_interval(sum(delivered), len(delivered), level=level)
    second = jeffreys_interval(executed.successes, executed.n, level=level)
    shared = len(pairs) / math.sqrt(len(delivered) * executed.n)
    return paired_difference(first, second, correlation=correlation(pairs) * shared)


def correlation(pairs: Sequence[Pair]) -> float:
    """Of the two returns of a pair, in (−1, 1); 0 where either never varies. A positive one is corrected for continuity."""
    n = len(pairs)
    sum_x, sum_y = (sum(values) for values in zip(*pairs, strict=True)) if pairs else (0.0, 0.0)
    covariance = n * sum(x * y for x, y in pairs) - sum_x * sum_y
    spread_x = n * sum(x * x for x, _ in pairs) - sum_x**2
    spread_y = n * sum(y * y for _, y in pairs) - sum_y**2
    if spread_x <= 0 or spread_y <= 0:
        return 0.0
    if covariance > 0:
        covariance = max(covariance - n / 2, 0.0)
    return max(-1.0, min(1.0, covariance / math.sqrt(spread_x * spread_y)))


def paired_difference(first: Interval, second: Interval, *, correlation: float) -> Interval:
    """Interval of first − second for two estimates of one level whose means have this correlation."""
    mean = first.mean - second.mean
    below = _combined(first.mean - first.lower, second.upper - second.mean, correlation)
    above = _combined(first.upper - first.mean, second.mean - second.lower, correlation)
    return Interval(mean=mean, lower=max(mean - below, -1.0), upper=min(mean + above, 1.0))


def _combined(first: float, second: float, correlation: float) -> float:
    return math.sqrt(max(first * first - 2 * correlation * first * second + second * second, 0.0))
