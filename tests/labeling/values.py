"""An action value from its counts."""

from __future__ import annotations

from labeling.records import ActionValue
from rollouts.episode import Draft
from rollouts.estimates import jeffreys_interval
from rollouts.identity import action_key

LEVEL = 0.8


def value_of(index: int, action: Draft, successes: float, n: int, *, level: float = LEVEL) -> ActionValue:
    """Of one action at the fork t0.s1."""
    interval = jeffreys_interval(successes, n, level=level)
    return ActionValue(
        fork_path="t0.s1",
        episode_path="t0",
        step=1,
        state_key=b"s" * 16,
        action_index=index,
        action_key=action_key(action),
        action=action,
        kind="write",
        multiplicity=1,
        draws=3,
        n=n,
        successes=successes,
        failures=0,
        mean=interval.mean if n else None,
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        origin="forced",
        stop_reason="fixed_count",
    )
