"""Approve, revise or abstain, from the intervals of the action values at one fork.

The rule `siblings-1`, in this order:

1. no rollout of the action has a return: abstain (`no_evidence`);
2. no action of the fork ever succeeded: abstain (`hopeless`): nothing is known that would be better, nor that this is good;
3. some sibling is better by at least delta, and the interval of the difference lies above 0: revise (`better_sibling`);
4. even a perfect action could win less than delta (1 − lower bound < delta): approve (`near_certain`);
5. for every sibling, the interval of the difference lies below delta: approve (`no_better_sibling`);
6. otherwise abstain (`undecided`, or `no_sibling` when there is nothing to compare with).

The rule makes one comparison for each sibling without a correction for their number: with three actions of eight rollouts
about one `revise` in ten compares equals at the default level of 0.8. Read labels with their intervals.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from labeling.records import ActionValue, Label, LabelName
from rollouts.estimates import Interval, difference_interval

LABELER = "siblings-1"


def label_actions(values: Iterable[ActionValue], *, delta: float) -> list[Label]:
    """One label for each value, in the order of the values. `delta`: the loss of value that counts, in (0, 1)."""
    forks: dict[str, list[ActionValue]] = defaultdict(list)
    for value in values:
        forks[value.fork_path].append(value)
    return [_label(value, siblings, delta) for siblings in forks.values() for value in siblings]


def _label(value: ActionValue, siblings: Sequence[ActionValue], delta: float) -> Label:
    own = _interval(value)
    gains = {
        other.action_index: difference_interval(_interval(other), own)
        for other in siblings
        if other.action_index != value.action_index and other.n
    }
    rival = max(gains, key=lambda index: (gains[index].lower, -index), default=None)
    hopeless = not any(sibling.successes for sibling in siblings)
    label, reason = _decide(value, gains, hopeless=hopeless, delta=delta)
    gain = gains[rival] if rival is not None else None
    return Label(
        fork_path=value.fork_path,
        episode_path=value.episode_path,
        step=value.step,
        state_key=value.state_key,
        action_index=value.action_index,
        action_key=value.action_key,
        label=label,
        reason=reason,
        rival_index=rival,
        gain_mean=gain.mean if gain else None,
        gain_lower=gain.lower if gain else None,
        gain_upper=gain.upper if gain else None,
        delta=delta,
        labeler=LABELER,
    )


def _decide(value: ActionValue, gains: dict[int, Interval], *, hopeless: bool, delta: float) -> tuple[LabelName, str]:
    if not value.n:
        return "abstain", "no_evidence"
    if hopeless:
        return "abstain", "hopeless"
    if any(gain.lower > 0 and gain.mean >= delta for gain in gains.values()):
        return "revise", "better_sibling"
    if 1 - value.lower < delta:
        return "approve", "near_certain"
    if not gains:
        return "abstain", "no_sibling"
    if all(gain.upper < delta for gain in gains.values()):
        return "approve", "no_better_sibling"
    return "abstain", "undecided"


def _interval(value: ActionValue) -> Interval:
    return Interval(mean=value.mean if value.mean is not None else 0.5, lower=value.lower, upper=value.upper)
