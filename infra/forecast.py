"""What a run would play, before anything is played: what is certain, and bounds for what is not.

How many branches a tree gets depends on how long its trunk turns out to be, so only bounds can be told beforehand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.config import RunConfig, default_run_id
from infra.display import count_text
from infra.pipeline import branching
from rollouts.receipt import WorkItem


def forecast(config: RunConfig, items: Sequence[WorkItem], *, name: str, run_id: str | None) -> dict[str, Any]:
    """JSON-able; names stay."""
    settings = branching(config)
    per_step = settings.width * settings.rollouts
    forks = 0 if config.branching.policy == "none" else settings.forked_trunks
    most = settings.trunks + forks * config.limits.turns * per_step
    return {
        "run_id": run_id or config.run.id or default_run_id(config, name),
        "root": config.storage.root,
        "tasks": len(items),
        "task_ids": [item.task.task_id for item in items],
        "policy": config.branching.policy,
        "episodes": {
            "at_least": len(items) * settings.trunks,
            "at_most": len(items) * most,
            "per_step_of_a_forked_trunk": per_step if forks else 0,
        },
        "llm_calls_at_most": len(items)
        * (most * _calls_per_episode(config) + forks * config.limits.turns * settings.max_draws),
    }


def _calls_per_episode(config: RunConfig) -> int:
    """One reply for each turn of an episode that uses them all; asking again, and tools of the user's own, come on top."""
    drafts = 1 if config.critic.kind == "none" else 1 + config.critic.max_revisions
    reviews = 0 if config.critic.kind == "none" else drafts
    return config.limits.turns * (drafts + reviews + 1) + 1 + (config.judge.kind != "none")


def forecast_rows(told: dict[str, Any]) -> list[tuple[str, str]]:
    """For people."""
    ids = told["task_ids"]
    return [
        ("run", told["run_id"]),
        ("root", told["root"]),
        ("tasks", f"{count_text(told['tasks'])}: {', '.join(ids[:12])}{', …' if len(ids) > 12 else ''}"),
        ("policy", told["policy"]),
        ("episodes", _episodes(told["episodes"])),
        ("LLM calls", f"at most {count_text(told['llm_calls_at_most'])}; stand-ins answer without a model"),
    ]


def _episodes(episodes: dict[str, Any]) -> str:
    branches = episodes["per_step_of_a_forked_trunk"]
    return (
        f"{count_text(episodes['at_least'])} trunks, and at most {count_text(branches)} branches for each step of a forked trunk; "
        f"{count_text(episodes['at_most'])} if every trunk used all its turns"
    )
