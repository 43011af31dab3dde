"""A run's record: what it was asked to do, written once before anything is played; and why items failed.

    run.json (created once, never changed) → per item: a marker (settled) or a failure record (replaced by a later attempt)

An item that has a marker is settled, whatever failure was recorded before. No time and no secret stands in any of these.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from rollouts.episode import Failure, JsonValue, ToolSpec
from rollouts.errors import DataError, FailureKind, UsageError
from storage.layout import RUNS, failure_key, failures_prefix, item_id_of, markers_prefix, run_id_of, run_key
from storage.messages import clean_text
from storage.objects import MissingObject, ObjectStore

_MAY_DIFFER = frozenset({"created_by", "forecast"})
# the same run resumed from another machine is the same run; what is foretold depends on what else the root holds


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedItem:
    item_id: str
    task_id: str
    domain: str
    split: str
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainBriefing:
    """What the actor is told in one domain; with `storage.conversations` it makes the full prompt of any step."""

    domain: str
    policy: str
    tools: tuple[ToolSpec, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    run_id: str
    config: Mapping[str, JsonValue]
    # the effective configuration
    items: tuple[PlannedItem, ...]
    briefings: tuple[DomainBriefing, ...]
    treeroll_version: str
    created_by: Mapping[str, str]
    # for people: versions, the machine's kind
    forecast: Mapping[str, JsonValue] = field(default_factory=dict)
    # what was predicted before anything was played (infra.forecast); empty: the run was begun before there were forecasts.
    # In these two parts two writers of one run may differ

    def briefing(self, domain: str) -> DomainBriefing:
        """DataError for a domain that the run did not play."""
        for briefing in self.briefings:
            if briefing.domain == domain:
                return briefing
        known = ", ".join(briefing.domain for briefing in self.briefings)
        raise DataError(f"run {self.run_id} holds no briefing of domain {domain!r}; it holds {known or 'none'}")


def create_run(store: ObjectStore, record: RunRecord) -> bool:
    """True: the run is new. False: it was there, with the same content. UsageError names what differs otherwise."""
    if store.put_if_absent(run_key(record.run_id), _to_bytes(record)):
        return True
    existing = _jsonable(read_run(store, record.run_id))
    differing = [key for key in _differences(existing, _jsonable(record)) if key.split(".")[0] not in _MAY_DIFFER]
    if differing:
        raise UsageError(
            f"run {record.run_id!r} exists with another configuration; these differ: {', '.join(differing)}. "
            "Choose another run id, or use the configuration it was created with"
        )
    return False


def read_run(store: ObjectStore, run_id: str) -> RunRecord:
    """UsageError, naming the runs there are, when there is no such run."""
    found = find_run(store, run_id)
    if found is None:
        there = ", ".join(list_runs(store)) or "none"
        raise UsageError(f"there is no run {run_id!r} at {store.uri(run_key(run_id))}; runs there: {there}")
    return found


def find_run(store: ObjectStore, run_id: str) -> RunRecord | None:
    """None when there is no such run."""
    key = run_key(run_id)
    try:
        data = store.get(key)
    except MissingObject:
        return None
    try:
        return _from_json(json.loads(data))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"run record {key} is corrupted ({error!r}); restore it from a copy") from error


def list_runs(store: ObjectStore) -> list[str]:
    """The ids of all runs, sorted."""
    return sorted(run_id for info in store.list(RUNS) if (run_id := run_id_of(info.key)))


def record_failure(store: ObjectStore, run_id: str, item_id: str, failure: Failure) -> None:
    """Settle an item as failed for now: `resume` may play it again. The latest failure stands."""
    record = {"kind": failure.kind.value, "message": clean_text(failure.message), "fatal": failure.fatal}
    store.put(failure_key(run_id, item_id), _encode(record))


def read_failures(store: ObjectStore, run_id: str) -> dict[str, Failure]:
    """Item id → why it failed, for the items that are not settled."""
    keys = sorted(info.key for info in store.list(failures_prefix(run_id)))
    settled = {item_id_of(info.key) for info in store.list(markers_prefix(run_id))} if keys else set()
    return {item_id_of(key): _read_failure(store, key) for key in keys if item_id_of(key) not in settled}


def _read_failure(store: ObjectStore, key: str) -> Failure:
    try:
        record = json.loads(store.get(key))
        return Failure(kind=FailureKind(record["kind"]), message=record["message"], fatal=record["fatal"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"failure record {key} is corrupted ({error!r}); delete it, and resume plays the item again"
        ) from error


def _to_bytes(record: RunRecord) -> bytes:
    return _encode(_jsonable(record))


def _encode(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, sort_keys=True, indent=1).encode() + b"\n"


def _jsonable(record: RunRecord) -> dict[str, Any]:
    """The record as JSON gives it back: tuples are lists, so that two records can be compared."""
    plain: dict[str, Any] = json.loads(json.dumps(record, default=_plain))
    return plain


def _plain(value: object) -> dict[str, object]:
    if isinstance(value, Mapping):
        return dict(value)
    if is_dataclass(value):
        return {part.name: getattr(value, part.name) for part in fields(value)}
    raise TypeError(f"a run record holds JSON values and frozen records, got {type(value).__name__}")


def _from_json(record: Mapping[str, Any]) -> RunRecord:
    return RunRecord(
        run_id=record["run_id"],
        config=record["config"],
        items=tuple(PlannedItem(**item) for item in record["items"]),
        briefings=tuple(
            DomainBriefing(
                domain=briefing["domain"],
                policy=briefing["policy"],
                tools=tuple(ToolSpec(**tool) for tool in briefing["tools"]),
            )
            for briefing in record["briefings"]
        ),
        treeroll_version=record["treeroll_version"],
        created_by=record["created_by"],
        forecast=record.get("forecast", {}),
    )


def _differences(old: object, new: object, *, key: str = "") -> list[str]:
    """Dotted names of what differs, as deep as both are mappings."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = sorted(old.keys() | new.keys())
        return [
            found
            for name in names
            for found in _differences(old.get(name), new.get(name), key=f"{key}.{name}" if key else name)
        ]
    return [] if old == new else [key]
