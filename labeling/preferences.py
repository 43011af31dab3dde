"""Preferences between siblings: the actions of one fork whose values are far enough apart.

A pair is claimed when the gain is at least delta and its interval at the rule's `revise` level lies above 0: the same evidence that
makes a label ask for a revision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import permutations

from labeling.labels import LabelRule
from labeling.records import ActionValue, Preference
from rollouts.estimates import difference_interval, jeffreys_interval


def preferences(values: Iterable[ActionValue], rule: LabelRule) -> list[Preference]:
    """In the order of forks; of one fork's, those of the better action first. No pair is claimed both ways."""
    forks: dict[str, list[ActionValue]] = defaultdict(list)
    for value in values:
        if value.n:
            forks[value.fork_path].append(value)
    pairs = (pair for siblings in forks.values() for pair in permutations(siblings, 2))
    return [found for better, worse in pairs if (found := _preference(better, worse, rule)) is not None]


def _preference(better: ActionValue, worse: ActionValue, rule: LabelRule) -> Preference | None:
    first, second = (jeffreys_interval(value.successes, value.n, level=rule.revise_level) for value in (better, worse))
    gain = difference_interval(first, second)
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
