"""Preferences between siblings: the actions of one fork whose values are far enough apart.

A pair is claimed when the gain is at least delta and its interval at the rule's `revise` level lies above 0: the same evidence that
makes a label ask for a revision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations

from labeling.intervals import Intervals, intervals_for
from labeling.labels import LabelRule
from labeling.records import ActionValue, Preference


def preferences(values: Iterable[ActionValue], rule: LabelRule) -> list[Preference]:
    """Of a tree's values, in the order of forks; of one fork's, those of the better action first. None is claimed both ways."""
    values = list(values)
    intervals = intervals_for(values)
    forks: dict[str, list[ActionValue]] = defaultdict(list)
    for value in values:
        if value.n:
            forks[value.fork_path].append(value)
    pairs = (pair for siblings in forks.values() for pair in permutations(siblings, 2))
    return [found for better, worse in pairs if (found := _preference(better, worse, rule, intervals)) is not None]


def _preference(better: ActionValue, worse: ActionValue, rule: LabelRule, intervals: Intervals) -> Preference | None:
    gain = intervals.gain(better, worse, level=rule.revise_level)
    if gain.lower <= 0 or gain.mean < rule.delta:
        return None
    return Preference(
        fork_path=better.fork_path,
        chosen_index=better.action_index,
        rejected_index=worse.action_index,
        gain_mean=gain.mean,
        gain_lower=gain.lower,
        gain_upper=gain.upper,
    )
