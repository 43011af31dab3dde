"""What is certain about a run's size, whatever its plays turn out to be like."""

from __future__ import annotations

from typing import Any

from infra.config import RunConfig
from infra.pipeline import branching
from rollouts.branching import REDRAWS, BranchingSettings


def bounds(config: RunConfig, num_tasks: int) -> dict[str, Any]:
    """Episodes at least and at most, and calls at most; None where a policy of somebody else's decides."""
    settings = branching(config)
    actions = _actions_per_fork(config.branching.policy, settings)
    forked = min(settings.forked_trunks, settings.trunks) * config.limits.turns
    # steps that can be forked
    most = None if actions is None else settings.trunks + _branches(config, settings, forked * actions)
    asked = forked * (REDRAWS * settings.max_draws + actions) if actions else 0
    # of the actor for drafts, and of the critic for its word on each action
    return {
        "episodes": {
            "at_least": num_tasks * settings.trunks,
            "at_most": None if most is None else num_tasks * most,
            "per_step_of_a_forked_trunk": None if actions is None else actions * settings.rollouts,
        },
        "llm_calls_at_most": None if most is None else num_tasks * (most * _calls_per_episode(config) + asked),
    }


def _actions_per_fork(policy: str, settings: BranchingSettings) -> int | None:
    match policy:
        case "none":
            return 0
        case "every_step" | "first_error":
            return settings.width
        case "bisect" | "adaptive":
            return REDRAWS * settings.max_draws
        case _:
            return None


def _branches(config: RunConfig, settings: BranchingSettings, actions: int) -> int:
    """Plays of so many actions: the policy's, and those that measure critiques; a tree's budget holds for both."""
    uplift = 2 * config.branching.uplift_rollouts if config.branching.critiques else 0
    branches = actions * (settings.rollouts + uplift)
    return min(branches, settings.branches_per_tree) if settings.branches_per_tree else branches


def _calls_per_episode(config: RunConfig) -> int:
    """One reply for each turn of an episode that uses them all; asking again, and tools of the user's own, come on top."""
    drafts = 1 if config.critic.kind == "none" else 1 + config.critic.max_revisions
    reviews = 0 if config.critic.kind == "none" else drafts
    return config.limits.turns * (drafts * _draft(config) + reviews + 1) + 1 + (config.judge.kind != "none")


def _draft(config: RunConfig) -> int:
    """The best of n drafts takes n calls and as many judgements."""
    return 1 if config.actor.best_of == 1 else 2 * config.actor.best_of
