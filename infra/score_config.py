"""Which critic scores which run: the run's own stored configuration with another [critic].

What a question is comes from the run; who answers it, and how many at once, from the given file. Of that file only [critic] and
run.max_in_flight count, so the configuration of a run serves as it is. What supervises a run (`AT_RUN_TIME`) has no part in it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.config import RunConfig, config_text, overridden, parse_config
from infra.config_rules import given
from rollouts.errors import UsageError
from storage.runs import RunRecord

AT_RUN_TIME = ("review", "max_revisions", "on_exhausted", "feedback_persists")
# keys of [critic] that say what becomes of a verdict, or which drafts get one, while a run is played; all drafts are scored


def score_config(
    critic: Path | str, *, record: RunRecord, overrides: Sequence[str], root: str, endpoint_url: str
) -> RunConfig:
    """`critic`: a TOML file, or the preset of that bare name. UsageError where it holds no critic that can score."""
    settings = _settings(critic, overrides)
    chosen = given(settings, "critic") or {}
    kind = chosen.get("kind", "none")
    if kind == "none":
        raise UsageError(
            f'{critic}: needs a critic that can judge: critic.kind = "chat" or "vllm" (a model), "self" (the model that acted in '
            'the run) or "scripted" (of tasks with a known plan); "none" judges nothing'
        )
    if kind == "self" and given(record.config, "actor.kind") == "scripted":
        raise UsageError(
            f'{critic}: critic.kind = "self" asks the model that acted, and run {record.run_id!r} was acted by stand-ins; use '
            '"chat", "vllm" or "scripted"'
        )
    in_flight = given(settings, "run.max_in_flight")
    played: dict[str, Any] = {
        "run": {
            "seed": given(record.config, "run.seed") or 0,
            "pool": "ray" if kind == "vllm" else "local",
            **({} if in_flight is None else {"max_in_flight": in_flight}),
        },
        "storage": {"root": root, "endpoint_url": endpoint_url},
        "tasks": given(record.config, "tasks") or {},
        "actor": _actor(record) if kind == "self" else {},
        "critic": {name: value for name, value in chosen.items() if name not in AT_RUN_TIME},
    }
    return parse_config(played, source=f"{critic} with --set" if overrides else str(critic))


def _settings(critic: Path | str, overrides: Sequence[str]) -> Mapping[str, Any]:
    for override in overrides:
        key = override.partition("=")[0].strip()
        scores = key.startswith("critic.") and key.removeprefix("critic.") not in AT_RUN_TIME
        if not scores and key != "run.max_in_flight":
            raise UsageError(
                f"--set {key} has no effect on a scoring: what may be set is critic.* (but for {', '.join(AT_RUN_TIME)}) and "
                "run.max_in_flight"
            )
    text = config_text(critic)
    try:
        return overridden(tomllib.loads(text), overrides)
    except ValueError as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"{critic}: is not valid TOML: {error}") from None


def _actor(record: RunRecord) -> dict[str, Any]:
    """As it was in the run; how many drafts it was given has no part in reviewing one."""
    actor = given(record.config, "actor") or {}
    return {name: value for name, value in actor.items() if name != "best_of"}
