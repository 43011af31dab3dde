"""Action values from a finished tree: Q(s, a) by the returns of the branches that began with a in s.

Only the branches below an action count for it. The forked trunk's own outcome does not: which trunk is forked depends on its
outcome, so counting it would bias the estimate. A branch without a return (a failure, a budget) counts as nothing, never as 0.
"""

from __future__ import annotations

from labeling.records import ActionValue
from rollouts.episode import Episode, Finished
from rollouts.estimates import jeffreys_interval
from rollouts.tree import Fork, ForkAction, Tree


def action_values(tree: Tree, *, level: float) -> list[ActionValue]:
    """One value for each action of each fork, in path order; `level` is the intervals' nominal coverage."""
    return [_value(tree, fork, action, level) for fork in tree.forks.values() for action in fork.actions]


def _value(tree: Tree, fork: Fork, action: ForkAction, level: float) -> ActionValue:
    branches = tree.branches(fork.path, action.index)
    returns = [value for branch in branches if (value := _return(branch)) is not None]
    estimate = jeffreys_interval(sum(returns), len(returns), level=level)
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
        n=len(returns),
        successes=sum(returns),
        failures=len(branches) - len(returns),
        mean=estimate.mean if returns else None,
        lower=estimate.lower,
        upper=estimate.upper,
        level=level,
        origin="forced",
        stop_reason="budget" if tree.early_stop else "fixed_count",
    )


def _return(episode: Episode) -> float | None:
    if isinstance(episode.outcome, Finished) and episode.outcome.reward is not None:
        return episode.outcome.reward.value
    return None
