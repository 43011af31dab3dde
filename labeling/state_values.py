"""State values: V(s), what the actor itself makes of a forked state, over all the drafts that it proposed there.

The fork's drafts are draws from the actor, but for the forked episode's own, which was chosen by its outcome. V is their mean
return. Drafts that were never played out are told by the critic where it was asked (`rollouts.proxy`): its scores enter as a
debiased control variate. Of the actions that were drawn equally often, all are alike until they are played, and which of them a
policy plays first has nothing to do with their worth; so the propensity of each is the share of them that was played. Where of some
group none was played, all but the trunk's own action are one group; where none of these was played, V is not known.

How far the scores are believed is told by the tree's other forks alone: E V stays right whatever the critic says. Without scores
all predictions are alike, and V is the weighted mean of what was played. The interval does not trust the critic: it is that of as
many independent plays as there are drafts with a play of their own. The action values beside it, and the labels, know no score.
`python -m tests.benchmarks.label_critic` says what good and bad critics do to V.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labeling.intervals import Intervals, intervals_for
from labeling.records import ActionValue
from rollouts.episode import Approve, Review
from rollouts.proxy import ProxyUnit, Trust, debiased_mean, trust
from rollouts.tree import Fork, Tree


def with_state_values(tree: Tree, values: Sequence[ActionValue]) -> list[ActionValue]:
    """The same values, in the same order, with V of their states beside them. `values`: all of the tree's, fork by fork."""
    forks: dict[str, list[ActionValue]] = defaultdict(list)
    for value in values:
        forks[value.fork_path].append(value)
    scores = {path: _scores(tree.forks[path]) for path in forks}
    believed = {path: trust(_played_and_scored(forks[path], scores[path])) for path in forks}
    total, intervals = sum(believed.values(), Trust()), intervals_for(values)
    found = {
        path: _state(siblings, scores[path], slope=(total - believed[path]).slope, intervals=intervals)
        for path, siblings in forks.items()
    }
    return [found[value.fork_path].beside(value) for value in values]


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    mean: float | None = None
    lower: float = 0.0
    upper: float = 1.0
    slope: float | None = None

    def beside(self, value: ActionValue) -> ActionValue:
        return replace(
            value,
            state_mean=self.mean,
            state_lower=self.lower,
            state_upper=self.upper,
            critic_slope=self.slope,
        )


def _state(
    siblings: Sequence[ActionValue], scores: Mapping[int, float], *, slope: float, intervals: Intervals
) -> _State:
    drawn = [value for value in siblings if _draws(value)]
    unplayed = [value for value in drawn if not value.n]
    scored = bool(unplayed) and all(value.action_index in scores for value in drawn)
    groups = list(_groups(drawn))
    if not groups or not all(any(value.n for value in group) for group in groups):
        return _State()
    mean = debiased_mean(
        [
            _unit(value, group, prediction=slope * scores[value.action_index] if scored else 0.0)
            for group in groups
            for value in group
        ]
    )
    plays = sum(min(_draws(value), value.n) for value in drawn)
    interval = intervals.of(mean * plays, plays, level=siblings[0].level)
    return _State(mean=mean, lower=interval.lower, upper=interval.upper, slope=slope if scored else None)


def _unit(value: ActionValue, group: Sequence[ActionValue], *, prediction: float) -> ProxyUnit:
    return ProxyUnit(
        prediction=prediction,
        propensity=sum(_draws(other) for other in group if other.n) / sum(map(_draws, group)),
        returned=value.mean,
        weight=_draws(value),
    )


def _groups(drawn: Sequence[ActionValue]) -> Iterator[list[ActionValue]]:
    """The trunk's own action, and the others by how often they were drawn, or all as one."""
    alike: dict[int, list[ActionValue]] = defaultdict(list)
    for value in drawn:
        alike[_draws(value) if value.action_index else 0].append(value)
    if own := alike.pop(0, None):
        yield own
    if all(any(value.n for value in group) for group in alike.values()):
        yield from alike.values()
    else:
        yield [value for group in alike.values() for value in group]


def _draws(value: ActionValue) -> int:
    """Drafts of the action that were drawn at the fork."""
    return value.multiplicity - (value.action_index == 0)


# -- what the critic said ---------------------------------------------------------------------------------------------


def _scores(fork: Fork) -> dict[int, float]:
    """By action, where it said anything."""
    said = {action.index: _score(action.review) for action in fork.actions if action.review is not None}
    return {index: score for index, score in said.items() if score is not None}


def _score(review: Review) -> float | None:
    """A critic that gives no probability says 1 or 0."""
    if review.score is not None or review.verdict is None:
        return review.score
    return float(isinstance(review.verdict, Approve))


def _played_and_scored(siblings: Sequence[ActionValue], scores: Mapping[int, float]) -> list[tuple[float, float]]:
    return [
        (scores[value.action_index], value.mean)
        for value in siblings
        if value.action_index in scores and value.mean is not None
    ]
