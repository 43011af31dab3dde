"""Approve, revise or abstain, from the intervals of the action values at one fork.

The rule `siblings-2`, in this order:

1. no rollout of the action has a return: abstain (`no_evidence`);
2. no action of the fork ever succeeded: abstain (`hopeless`): nothing is known that would be better, nor that this is good;
3. some sibling is better by at least delta, and the `revise` interval of the difference lies above 0: revise (`better_sibling`);
4. even a perfect action could win less than delta (1 − lower bound < delta): approve (`near_certain`);
5. for every sibling, the `approve` interval of the difference lies below delta: approve (`no_better_sibling`);
6. otherwise abstain (`undecided`, or `no_sibling` when there is nothing to compare with).

The two intervals have levels of their own, since the two mistakes differ: a wrong `revise` teaches a critic to spoil good actions,
and three actions at each of many forks give chance many openings. How often labels are right: `python -m tests.benchmarks.labels`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from labeling.consensus import NO_VERDICTS, Verdicts, consensus
from labeling.records import ActionValue, Label, LabelName
from rollouts.estimates import Interval, difference_interval, jeffreys_interval

LABELER = "siblings-2"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    delta: float
    # the loss of value that counts, in (0, 1)
    approve_level: float
    # nominal coverage of the intervals that must exclude a loss of delta
    revise_level: float
    # nominal coverage of the intervals that must exclude that a sibling is no better


def label_actions(values: Iterable[ActionValue], rule: LabelRule, verdicts: Verdicts = NO_VERDICTS) -> list[Label]:
    """One label for each value, in the order of the values. `verdicts`: the critic's, which never move a label."""
    forks: dict[str, list[ActionValue]] = defaultdict(list)
    for value in values:
        forks[value.fork_path].append(value)
    labels = [_label(value, siblings, rule, verdicts) for siblings in forks.values() for value in siblings]
    errors = first_errors(labels)
    return [replace(label, first_error=errors.get(label.episode_path)) for label in labels]


def first_errors(labels: Iterable[Label]) -> dict[str, int]:
    """Episode → its first step whose own action should have been revised. Episodes without one are absent."""
    errors: dict[str, int] = {}
    for label in labels:
        if label.action_index == 0 and label.label == "revise":
            errors[label.episode_path] = min(label.step, errors.get(label.episode_path, label.step))
    return errors


def _label(value: ActionValue, siblings: Sequence[ActionValue], rule: LabelRule, verdicts: Verdicts) -> Label:
    sure = _gains(value, siblings, level=rule.revise_level)
    rival = max(sure, key=lambda index: (sure[index].lower, -index), default=None)
    label, reason = _decide(value, siblings, sure, rule)
    gain = sure[rival] if rival is not None else None
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
        gain_level=rule.revise_level,
        delta=rule.delta,
        labeler=LABELER,
        consensus=consensus(label, verdicts.get((value.fork_path, value.action_index))),
    )


def _decide(
    value: ActionValue, siblings: Sequence[ActionValue], sure: Mapping[int, Interval], rule: LabelRule
) -> tuple[LabelName, str]:
    if not value.n:
        return "abstain", "no_evidence"
    if not any(sibling.successes for sibling in siblings):
        return "abstain", "hopeless"
    if any(gain.lower > 0 and gain.mean >= rule.delta for gain in sure.values()):
        return "revise", "better_sibling"
    if 1 - _interval(value, level=rule.approve_level).lower < rule.delta:
        return "approve", "near_certain"
    if not sure:
        return "abstain", "no_sibling"
    if all(gain.upper < rule.delta for gain in _gains(value, siblings, level=rule.approve_level).values()):
        return "approve", "no_better_sibling"
    return "abstain", "undecided"


def _gains(value: ActionValue, siblings: Sequence[ActionValue], *, level: float) -> dict[int, Interval]:
    """By sibling: what taking it instead would win."""
    own = _interval(value, level=level)
    return {
        other.action_index: difference_interval(_interval(other, level=level), own)
        for other in siblings
        if other.action_index != value.action_index and other.n
    }


def _interval(value: ActionValue, *, level: float) -> Interval:
    return jeffreys_interval(value.successes, value.n, level=level)
