"""One frozen, validated configuration per run: TOML in, every problem told at once, secrets never held.

A configuration names the environment variables that hold keys, never the keys. Its data part (`data_config`) decides which rows
a run produces; two runs that agree in it make the same rows, so its digest is part of a run's default name.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.config_errors import field_problem, shown, usage_error
from infra.config_rules import RunConfig, contradictions, in_force, known_fields, superseded, without
from infra.config_types import RUN_ID
from rollouts.errors import UsageError
from rollouts.identity import canonical_json, digest

__all__ = [
    "RunConfig",
    "as_override",
    "check_run_id",
    "config_digest",
    "config_text",
    "data_config",
    "default_run_id",
    "differing_keys",
    "effective",
    "load_config",
    "overridden",
    "parse_config",
    "preset_names",
]

DIGEST_DIGITS = 8
RUN_ID_LENGTH = 64

_CHAT_ROLES = ("actor", "user", "critic", "judge")
_HOW_IT_IS_ASKED = (
    *("base_url", "api_key_env", "key_header", "timeout_s", "connect_timeout_s", "first_byte_timeout_s", "max_retries"),
    *("max_requests", "requests_per_min", "tokens_per_min", "prompt_cache_key", "max_tokens_field", "api_version"),
)
_NOT_DATA = (
    *(f"{role}.{key}" for role in _CHAT_ROLES for key in _HOW_IT_IS_ASKED),
    *("run.pool", "run.workers", "run.max_in_flight", "run.id", "run.item_attempts", "run.journal_flush_s"),
    *("storage", "limits.calls", "limits.tokens", "limits.cost_usd", "limits.on_limit"),
)
# where and how a run is played, and where it may pause: never what its rows are


# -- in ---------------------------------------------------------------------------------------------------------------


def load_config(path: Path | str, *, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration in a TOML file, or in the preset of that bare name, with `key=value` overrides on top.

    An override's value is TOML; a bare word stands for itself. An override that turns a switch also drops the file's
    settings that depend on the switch. UsageError names every unknown key, wrong value and contradiction.
    """
    text = config_text(path)
    try:
        settings = tomllib.loads(text)
    except ValueError as error:  # also a number of more digits than Python reads
        raise UsageError(f"{path}: is not valid TOML: {error}") from None
    return parse_config(overridden(settings, overrides), source=f"{path} with --set" if overrides else str(path))


def overridden(settings: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Nested tables with `key=value` overrides on top, as `load_config` applies them."""
    chosen = _overriding(overrides)
    merged = _merged(settings, chosen)
    return without(merged, superseded(merged, chosen))


def parse_config(settings: Mapping[str, Any], *, source: str) -> RunConfig:
    """The configuration that nested tables describe, such as those `effective` returns. `source` names them in a UsageError."""
    try:
        return RunConfig.model_validate(settings)
    except ValidationError as error:
        known = list(known_fields())
        own = [field_problem(detail, known) for detail in error.errors(include_url=False) if detail["loc"]]
        raise usage_error(source, [*own, *contradictions(settings)]) from None


def config_text(path: Path | str) -> str:
    """The TOML text of a file, or of the preset of that bare name. UsageError lists the presets when there is neither."""
    try:
        if Path(path).is_file():
            return Path(path).read_text(encoding="utf-8")
        if str(path) in preset_names():
            return (_presets() / f"{path}.toml").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # unreadable, no UTF-8, or no path at all
        raise UsageError(f"{path}: cannot be read as a configuration: {error}") from None
    raise UsageError(
        f"there is no configuration file {path}; give a TOML file, or a preset by its bare name: {', '.join(preset_names())}"
    )


def preset_names() -> list[str]:
    return sorted(entry.name.removesuffix(".toml") for entry in _presets().iterdir() if entry.name.endswith(".toml"))


def as_override(key: str, text: str) -> str:
    """An override that sets `key` to exactly this text, whatever is in it."""
    escaped = "".join(
        f"\\u{ord(character):04x}" if character < " " or character in '"\\\x7f' else character for character in text
    )
    return f'{key}="{escaped}"'


def _presets() -> resources.abc.Traversable:
    return resources.files("infra") / "presets"


def _overriding(overrides: Sequence[str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for override in overrides:
        key, separator, value = override.partition("=")
        parts = [part.strip() for part in key.split(".")]
        if not separator or not all(parts):
            raise UsageError(f"--set needs key=value, such as --set branching.width=4; got {key!r}")
        level = tree
        for part in parts[:-1]:
            level = level.setdefault(part, {})
            if not isinstance(level, dict):
                raise UsageError(
                    f"--set {key.strip()}: {part} is set to a value by another --set and cannot hold settings"
                )
        level[parts[-1]] = _override_value(value.strip())
    return tree


def _override_value(text: str) -> Any:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except ValueError:
        return text
    return parsed["value"] if len(parsed) == 1 else text  # a line break may have begun a second setting


def _merged(settings: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(settings)
    for name, value in chosen.items():
        below = merged.get(name)
        merged[name] = _merged(below, value) if isinstance(value, Mapping) and isinstance(below, Mapping) else value
    return merged


# -- out --------------------------------------------------------------------------------------------------------------


def effective(config: RunConfig) -> dict[str, Any]:
    """Every setting that has an effect, defaults filled in, as JSON-able tables; `parse_config` gives the same configuration back.

    Absent: settings that the others leave without effect, and prices that are unknown. No secrets: variables are named only.
    """
    return in_force(config.model_dump(mode="json", exclude_none=True))


def data_config(config: RunConfig) -> dict[str, Any]:
    """The part of `effective` that determines the rows."""
    return without(effective(config), list(_NOT_DATA))


def config_digest(config: RunConfig) -> str:
    """8 hex digits that identify the data part."""
    return digest(canonical_json(data_config(config)).encode()).hex()[:DIGEST_DIGITS]


def default_run_id(config: RunConfig, name: str) -> str:
    """The run id of a configuration that gives none: its name and its digest, e.g. "quickstart-1a2b3c4d"."""
    usable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[: RUN_ID_LENGTH - DIGEST_DIGITS - 1]
    return f"{usable or 'run'}-{config_digest(config)}"


def check_run_id(run_id: str) -> str:
    """The id itself, where it can name a run. UsageError otherwise."""
    if not RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"a run id needs 1 to {RUN_ID_LENGTH} letters, digits, dots, dashes or underscores, and no leading dot; "
            f"got {shown(run_id)}"
        )
    return run_id


def differing_keys(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What differs between two effective configurations: "branching.width: 3 -> 4", in order of the names."""
    left, right = dict(_leaves(a)), dict(_leaves(b))
    return [
        f"{key}: {_told(left, key)} -> {_told(right, key)}"
        for key in sorted(left.keys() | right.keys())
        if key not in left or key not in right or left[key] != right[key]
    ]


def _told(leaves: Mapping[str, Any], key: str) -> str:
    return shown(leaves[key]) if key in leaves else "not set"


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
