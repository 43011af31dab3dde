"""Small real runs in this process, and what was foretold of them. Worlds with known values: no package, no model."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from infra.config import RunConfig, parse_config
from infra.display import PlainDisplay
from infra.forecast import forecast
from infra.launch import Prepared, play, prepare
from infra.pipeline import open_environment, open_root, plan
from infra.runs import read_status
from rollouts.episode import Spend

CHAT = {"kind": "chat", "base_url": "http://127.0.0.1:9/v1", "model": "large"}
PRICED = {**CHAT, "price_per_million_prompt": 1.0, "price_per_million_completion": 4.0}


def config(root: Path | str, *, seed: int = 0, count: int = 12, **sections: dict[str, Any]) -> RunConfig:
    settings: dict[str, dict[str, Any]] = {
        "run": {"pool": "local", "seed": seed},
        "storage": {"root": str(root)},
        "tasks": {"environment": "known_values", "domain": "late_error", "count": count},
        "branching": {"trunks": 3}
        if sections.get("branching", {}).get("policy") == "none"
        else {"trunks": 3, "rollouts": 3},
    }
    for name, section in sections.items():
        settings[name] = {**settings.get(name, {}), **section}
    return parse_config(settings, source="the test")


def told(configured: RunConfig, *, like: str | None = None) -> dict[str, Any]:
    world = open_environment(configured)
    items = plan(configured, world)
    return forecast(configured, items, world, open_root(configured), name="test", run_id=None, like=like)


def played(configured: RunConfig) -> tuple[Prepared, Spend]:
    """The run, and what all of it took."""
    prepared = prepare(configured, name="test")
    ended = play(prepared, PlainDisplay(io.StringIO()))
    assert ended.how == "complete", ended
    return prepared, read_status(prepared.store, prepared.run_id).progress.spend
