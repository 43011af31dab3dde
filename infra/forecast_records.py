"""Which earlier run a forecast takes its figures from, and what that run recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.config import RunConfig, effective
from infra.config_rules import given
from rollouts.errors import DataError, UsageError
from rollouts.forecasting.recorded import RecordedPlays
from storage.markers import read_markers
from storage.objects import ObjectStore
from storage.recorded_plays import read_recorded_plays
from storage.runs import RunRecord, list_runs, read_run

MUST_AGREE = ("tasks.environment", "tasks.domain", "actor.kind")
# or its plays are of another world
SHOULD_AGREE = (
    ("actor.model", "actor.best_of", "user.kind", "user.model", "critic", "judge.kind", "limits.turns"),
    ("branching.policy",),
    ("branching",),
    ("tasks",),
)
# the more of these sets agree, the better; in this order


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A run that has something to tell."""

    settings: Mapping[str, Any]
    # its effective configuration, as it was stored: an older one may not be readable as a configuration any more
    plays: RecordedPlays

    def agrees(self, config: RunConfig, *keys: str) -> bool:
        own = effective(config)
        return all(given(self.settings, key) == given(own, key) for key in keys)


def named_record(store: ObjectStore, config: RunConfig, run_id: str) -> Record:
    """UsageError when there is no such run, or it holds no whole tree."""
    record = _read(store, config, read_run(store, run_id))
    if record is None:
        raise UsageError(
            f"run {run_id!r} holds no tree that was played to its end; name another run, or leave --like out"
        )
    return record


def best_record(store: ObjectStore, config: RunConfig, *, but: str) -> Record | None:
    """Of the runs of the same environment, domain and kind of actor the one most like this, `but` itself; None: there is none."""
    own = effective(config)
    candidates = sorted(_alike(store, own, but), key=lambda run: (*_likeness(run.config, own), len(run.items)))
    return next((record for run in reversed(candidates) if (record := _read(store, config, run))), None)


def _alike(store: ObjectStore, own: Mapping[str, Any], but: str) -> Iterator[RunRecord]:
    for run_id in list_runs(store):
        if run_id == but:
            continue
        try:
            run = read_run(store, run_id)
        except DataError:
            continue
            # a damaged record of another run is `treeroll verify`'s to tell, and no reason not to play
        if all(given(run.config, key) == given(own, key) for key in MUST_AGREE):
            yield run


def _likeness(settings: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[bool, ...]:
    return tuple(all(given(settings, key) == given(own, key) for key in keys) for keys in SHOULD_AGREE)


def _read(store: ObjectStore, config: RunConfig, run: RunRecord) -> Record | None:
    whole = [marker.item_id for marker in read_markers(store, run.run_id) if not marker.receipt.early_stop]
    if not whole:
        return None
    where = config.storage
    plays = read_recorded_plays(where.root, run.run_id, items=whole, endpoint_url=where.endpoint_url)
    return None if plays is None else Record(settings=run.config, plays=plays)
