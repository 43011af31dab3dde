"""Action values from a finished tree: Q(s, a) by the returns of all plays that count for it (`rollouts.evidence` says which).

The forked trunk's own outcome does not count: which trunk is forked depends on its outcome, so counting it would bias the estimate.
What a value rests on stays visible: plays that were made to take the action (`forced_n`) and plays that came to it of their own
accord (`own_policy_n`) are pooled in `n`, since both are followed by the actor's own actions only, and kept apart beside it.
"""

from __future__ import annotations

from labeling.records import ActionValue, Origin
from labeling.restart import Restart, restart_at
from rollouts.estimates import jeffreys_interval
from rollouts.evidence import Evidence, PlayTable, settled_by_next
from rollouts.tree import Fork, ForkAction, Tree


def action_values(tree: Tree, *, level: float) -> list[ActionValue]:
    """One value for each action of each fork, in path order; `level` is the intervals' nominal coverage."""
    plays = PlayTable(tree.episodes.values())
    values = []
    for fork in tree.forks.values():
        restart = restart_at(tree, step=fork.step)
        values += [_value(tree, fork, action, plays.evidence(fork, action), restart, level) for action in fork.actions]
    return values


def _value(
    tree: Tree, fork: Fork, action: ForkAction, evidence: Evidence, restart: Restart, level: float
) -> ActionValue:
    forced, own, total = evidence.started + evidence.elsewhere, evidence.own_policy, evidence.total
    estimate = jeffreys_interval(total.successes, total.n, level=level)
    return ActionValue(
        fork_path=fork.path,
        episode_path=fork.episode_path,
        step=fork.step,
        state_key=fork.state_key,
        action_index=action.index,
        action_key=action.action_key,
        action=action.draft,
        kind=action.kind,
        multiplicity=action.multiplicity,
        draws=fork.draws,
        n=total.n,
        successes=total.successes,
        failures=evidence.started.failures,
        mean=estimate.mean if total.n else None,
        lower=estimate.lower,
        upper=estimate.upper,
        level=level,
        origin=_origin(forced_n=forced.n, own_policy_n=own.n),
        stop_reason=_stop_reason(tree, fork, action, evidence),
        forced_n=forced.n,
        forced_successes=forced.successes,
        own_policy_n=own.n,
        own_policy_successes=own.successes,
        free_n=evidence.free.n,
        restart_n=restart.n,
        restart_successes=restart.successes,
    )


def _origin(*, forced_n: int, own_policy_n: int) -> Origin:
    if forced_n and own_policy_n:
        return "pooled"
    return "own_policy" if own_policy_n else "forced"


def _stop_reason(tree: Tree, fork: Fork, action: ForkAction, evidence: Evidence) -> str:
    if not evidence.started.launched and settled_by_next(fork, tree.episodes[fork.episode_path]):
        return "settled_by_next"
    if tree.early_stop:
        return "budget"
    return tree.stop_reasons.get((fork.path, action.index), "fixed_count")


def rollouts_saved(values: list[ActionValue], *, rollouts: int) -> int:
    """Plays that a design of so many rollouts for every action would have started in addition."""
    return sum(max(0, rollouts - _started(value)) for value in values)


def _started(value: ActionValue) -> int:
    return value.n - value.free_n + value.failures
