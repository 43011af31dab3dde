"""What labeling claims: action values, labels, the worth of critiques and preferences, each with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from rollouts.episode import Draft, StepKind, Verdict

Origin: TypeAlias = Literal["forced", "own_policy", "pooled"]
LabelName: TypeAlias = Literal["approve", "revise", "abstain"]
Consensus: TypeAlias = Literal["agree", "disagree", "none"]
Worth: TypeAlias = Literal["helpful", "harmful", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionValue:
    """Q(s, a): the expected return after one action in one state, estimated from the plays that count for it."""

    fork_path: str
    episode_path: str
    step: int
    state_key: bytes
    action_index: int
    # 0: the action the forked episode itself took
    action_key: bytes
    action: Draft
    kind: StepKind
    multiplicity: int
    draws: int
    # `multiplicity` of the fork's `draws` drafts were this action
    n: int
    # plays that count for it and have a known return: forced_n + own_policy_n
    successes: float
    # sum of their returns: a count where returns are 0 or 1
    failures: int
    # rollouts started here without a return (infrastructure, budget); never counted as 0
    mean: float | None
    # None when n is 0
    lower: float
    upper: float
    level: float
    # the interval's nominal coverage
    origin: Origin
    stop_reason: str
    # why sampling stopped: "fixed_count", "decided", "budget", …
    forced_n: int = 0
    # those that were made to take it in this state
    forced_successes: float = 0.0
    own_policy_n: int = 0
    # those that took it in this state of their own accord
    own_policy_successes: float = 0.0
    free_n: int = 0
    # those of n that were not started here for it, and cost nothing here
    restart_n: int = 0
    # trunks with a known return: what starting afresh is worth is told by them
    restart_successes: float = 0.0
    # sum of the returns of those that took no more steps than are left here
    state_mean: float | None = None
    # V(s), the actor's own expected return in this state (labeling.state_values); None when too little was played
    state_lower: float = 0.0
    state_upper: float = 1.0
    # of its interval, of the same level
    critic_slope: float | None = None
    # return per critic's score by which V was told of drafts that were not played; None: there are no scores, or none was needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What we claim about one action, with its evidence; it may be `abstain`."""

    fork_path: str
    episode_path: str
    step: int
    state_key: bytes
    action_index: int
    action_key: bytes
    label: LabelName
    reason: str
    rival_index: int | None
    # the sibling that decided, if one did
    gain_mean: float | None
    # Q(rival) − Q(action), what a revision to the rival would win; None without a rival
    gain_lower: float | None
    gain_upper: float | None
    gain_level: float
    # nominal coverage of the gain's interval
    delta: float
    # the loss of value that counts
    labeler: str
    # name and version of the decision rule
    consensus: Consensus = "none"
    # between this label and the critic's verdict on the action; none: the label abstains, or there is no verdict
    first_error: int | None = None
    # the forked episode's first step whose own action this rule would have revised; None: it found none


@dataclass(frozen=True, slots=True, kw_only=True)
class CritiqueValue:
    """What the critic said of one action, and what delivering it was worth against executing the action."""

    fork_path: str
    episode_path: str
    step: int
    state_key: bytes
    action_index: int
    action_key: bytes
    action: Draft
    kind: StepKind
    verdict: Verdict | None
    # None: the answer could not be had or not be read
    score: float | None
    # the critic's probability that the action should be approved
    delivered_n: int
    # plays in which the actor was given the feedback and revised, with a known return
    delivered_successes: float
    delivered_failures: int
    unchanged_n: int
    # those in which the revision was the criticised action again
    executed_n: int
    # plays that count for the action itself
    executed_successes: float
    num_pairs: int
    # rollouts with a known return in both arms: they met the same user
    uplift_mean: float | None
    # success when delivered − success when executed; None without plays in both arms
    uplift_lower: float | None
    uplift_upper: float | None
    level: float
    # the interval's nominal coverage
    worth: Worth | None
    # None: there is no feedback that could be delivered
    labeler: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Of two actions in one state, the one that is better."""

    fork_path: str
    chosen_index: int
    rejected_index: int
    gain_mean: float
    # Q(chosen) − Q(rejected)
    gain_lower: float
    gain_upper: float


class Conclusions(NamedTuple):
    """What one finished tree says of its actions. A tuple, so that it can be passed on as arguments."""

    values: Sequence[ActionValue]
    labels: Sequence[Label]
    critiques: Sequence[CritiqueValue] = ()
