"""Approve, revise or abstain, from the intervals of the action values at one fork.

The rule `siblings-3`, in this order:

1. no rollout of the action has a return: abstain (`no_evidence`);
2. no action of the fork ever succeeded: abstain (`hopeless`): nothing is known that would be better, nor that this is good;
3. some sibling is better by at least delta, and the `revise` interval of the difference lies above 0: revise (`better_sibling`);
4. even a perfect action could win less than delta (1 − lower bound < delta): approve (`near_certain`);
5. the actor drew nothing else, so rarely does anything else that the action cannot lose delta of the state's value: approve
   (`no_other_action`): V - Q = f (O - Q) is at most the upper bound of f, the share of other actions, times 1 - lower bound of Q;
6. for every sibling, the `approve` interval of the difference lies below delta: approve (`no_better_sibling`);
7. where a policy stopped on what it saw, the posterior that it stopped on: the action loses delta of V in all but a tail of it, and
   some sibling seems better by delta: revise (`probable_loss`); or in a tail only, and none seems so: approve (`improbable_loss`);
8. otherwise abstain (`undecided`, or `no_sibling` when there is nothing to compare with).

The two intervals have levels of their own, since the two mistakes differ: a wrong `revise` teaches a critic to spoil good actions,
and three actions at each of many forks give chance many openings. Intervals are those of `labeling.intervals`: anytime-valid where
a policy stopped on what it saw, so rules 3 to 6 keep their levels for every action, whatever the policy. They decide one action in
twelve there. A posterior may be looked at whenever one likes too; it is right on average over actions, not for each, so what rests
on it has reasons of its own. `python -m tests.benchmarks.labels` says how often which is right.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from labeling.consensus import NO_VERDICTS, Verdicts, consensus
from labeling.intervals import Intervals, intervals_for
from labeling.records import ActionValue, Label, LabelName
from rollouts.estimates import Interval
from rollouts.fork_views import ActionView, StepView
from rollouts.policies.contrast import contrast

LABELER = "siblings-3"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRule:
    delta: float
    # the loss of value that counts, in (0, 1)
    approve_level: float
    # nominal coverage of the intervals that must exclude a loss of delta
    revise_level: float
    # nominal coverage of the intervals that must exclude that a sibling is no better


def label_actions(values: Iterable[ActionValue], rule: LabelRule, verdicts: Verdicts = NO_VERDICTS) -> list[Label]:
    """One label for each value of a tree, in the order of the values. `verdicts`: the critic's, which never move a label."""
    forks: dict[str, list[ActionValue]] = defaultdict(list)
    for value in values:
        forks[value.fork_path].append(value)
    intervals = intervals_for(chain.from_iterable(forks.values()))
    labels = [
        _label(_Fork(siblings=siblings, rule=rule, intervals=intervals), value, verdicts)
        for siblings in forks.values()
        for value in siblings
    ]
    errors = first_errors(labels)
    return [replace(label, first_error=errors.get(label.episode_path)) for label in labels]


def first_errors(labels: Iterable[Label]) -> dict[str, int]:
    """Episode → its first step whose own action should have been revised. Episodes without one are absent."""
    errors: dict[str, int] = {}
    for label in labels:
        if label.action_index == 0 and label.label == "revise":
            errors[label.episode_path] = min(label.step, errors.get(label.episode_path, label.step))
    return errors


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fork:
    siblings: Sequence[ActionValue]
    rule: LabelRule
    intervals: Intervals

    def gains(self, value: ActionValue, *, level: float) -> dict[int, Interval]:
        """By sibling: what taking it instead would win."""
        return {
            other.action_index: self.intervals.gain(other, value, level=level)
            for other in self.siblings
            if other.action_index != value.action_index and other.n and value.n
        }

    def decide(self, value: ActionValue, sure: Mapping[int, Interval]) -> tuple[LabelName, str]:
        rule = self.rule
        if not value.n:
            return "abstain", "no_evidence"
        if not any(sibling.successes for sibling in self.siblings):
            return "abstain", "hopeless"
        if any(gain.lower > 0 and gain.mean >= rule.delta for gain in sure.values()):
            return "revise", "better_sibling"
        could_win = 1 - self.intervals.of(value.successes, value.n, level=rule.approve_level).lower
        if could_win < rule.delta:
            return "approve", "near_certain"
        if len(self.siblings) == 1 and could_win * self._other_share(value) < rule.delta:
            return "approve", "no_other_action"
        if sure and all(gain.upper < rule.delta for gain in self.gains(value, level=rule.approve_level).values()):
            return "approve", "no_better_sibling"
        if self.intervals.sequential and (sure or len(self.siblings) == 1):
            return self._by_posterior(value, sure)
        return "abstain", "undecided" if sure else "no_sibling"

    def _by_posterior(self, value: ActionValue, sure: Mapping[int, Interval]) -> tuple[LabelName, str]:
        """A tail of the posterior weighs as much as one of an interval of the level."""
        loss = contrast(_step(self.siblings), value.action_index).probability(self.rule.delta)
        seems_better = any(gain.mean >= self.rule.delta for gain in sure.values())
        if seems_better and loss >= (1 + self.rule.revise_level) / 2:
            return "revise", "probable_loss"
        if not seems_better and loss <= (1 - self.rule.approve_level) / 2:
            return "approve", "improbable_loss"
        return "abstain", "undecided"

    def _other_share(self, only: ActionValue) -> float:
        """Upper bound of how often the actor does something else. Its own draft, chosen by its outcome, does not count.

        Either bound fails half as often as its interval, so both hold together at the interval's level.
        """
        return self.intervals.of(0, only.draws - 1, level=self.rule.approve_level).upper


def _step(siblings: Sequence[ActionValue]) -> StepView:
    """The fork as its policy saw it."""
    return StepView(
        kind=siblings[0].kind,
        actions=tuple(
            ActionView(
                multiplicity=value.multiplicity,
                launched=value.n,
                n=value.n,
                successes=value.successes,
                failures=value.failures,
            )
            for value in siblings
        ),
    )


def _label(fork: _Fork, value: ActionValue, verdicts: Verdicts) -> Label:
    rule = fork.rule
    sure = fork.gains(value, level=rule.revise_level)
    rival = max(sure, key=lambda index: (sure[index].lower, -index), default=None)
    label, reason = fork.decide(value, sure)
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
