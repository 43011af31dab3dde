"""What labeling claims: action values and labels, each with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollouts.episode import Draft, StepKind

Origin: TypeAlias = Literal["forced", "own_policy", "pooled"]
LabelName: TypeAlias = Literal["approve", "revise", "abstain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionValue:
    """Q(s, a): the expected return after one action in one state, estimated from the branches below a fork."""

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
    # rollouts with a known return
    successes: float
    # sum of their returns: a count where returns are 0 or 1
    failures: int
    # rollouts without a return (infrastructure, budget); never counted as 0
    mean: float | None
    # None when n is 0
    lower: float
    upper: float
    level: float
    # the interval's nominal coverage
    origin: Origin
    stop_reason: str
    # why sampling stopped: "fixed_count", "budget", …


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
