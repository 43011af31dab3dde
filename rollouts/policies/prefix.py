"""The value of a trunk after its first actions, by plays that take the same action at one step and go on as the actor does.

A play of the trunk's own action at step t is a rollout of the prefix that ends with it: its mean is Q(s_t, a_t), to which
V(s_{t+1}) is equal up to the world's chance at step t. It needs no draws: the fork is opened with the trunk's own action alone.
"""

from __future__ import annotations

from rollouts.fork_views import EpisodeView, OpenFork, PlayBranch, Request
from rollouts.policies.contrast import observed
from rollouts.posterior import Beta, posterior
from rollouts.tree import step_path


def prefix_counts(trunk: EpisodeView, step: int) -> tuple[float, int]:
    """Sum of returns and number of the rollouts through the trunk's action at `step`."""
    actions = trunk.steps[step].actions
    return observed(actions[0]) if actions else (0.0, 0)


def prefix_value(trunk: EpisodeView, step: int) -> Beta:
    return posterior(*prefix_counts(trunk, step))


def is_spent(trunk: EpisodeView, step: int, cap: int) -> bool:
    """No rollout of the trunk's action may be played any more."""
    actions = trunk.steps[step].actions
    return bool(actions) and max(actions[0].launched, prefix_counts(trunk, step)[1]) >= cap


def more_of_prefix(trunk: EpisodeView, step: int, *, to: int) -> tuple[Request, ...]:
    """Requests for rollouts through the trunk's action at `step`, until there are `to`; nothing where there are."""
    actions = trunk.steps[step].actions
    if not actions:
        return (OpenFork(episode_path=trunk.path, step=step, width=1, max_draws=1),)
    path = step_path(trunk.path, step)
    wanted = to - actions[0].free_n
    return tuple(PlayBranch(fork_path=path, action=0, rollout=r) for r in range(actions[0].launched, wanted))
