"""A state of the database as JSON and back, exactly: key order, number types and values that are no standard JSON included."""

from __future__ import annotations

from typing import Any

from actors.environments.tau_bench.frozen import ABSENT, FrozenDict, freeze
from actors.environments.tau_bench.overlay import EMPTY, Delta, Image, Overlay, Record


def packed(overlay: Overlay) -> dict[str, Any]:
    return {name: _packed(delta) for name, delta in overlay.tables.items()}


def unpacked(stored: dict[str, Any], image: Image) -> Overlay:
    """ValueError, TypeError or LookupError when `stored` is no state of this image."""
    deltas = {name: _unpacked(delta, base=image.tables[name]) for name, delta in stored.items()}
    return Overlay(deltas) if deltas else EMPTY


def _packed(delta: Delta) -> dict[str, Any]:
    kept = {key: record.value for key, record in delta.records.items() if record}
    return {"records": kept, "gone": [key for key in delta.records if key not in kept], "appended": delta.appended}


def _unpacked(stored: dict[str, Any], *, base: FrozenDict) -> Delta:
    records: dict[str, Record | None] = {
        key: Record(freeze(value, base.get(key, ABSENT))) for key, value in stored["records"].items()
    }
    return Delta({**records, **dict.fromkeys(stored["gone"])}, tuple(stored["appended"]), base=base)
