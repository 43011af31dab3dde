"""Collecting garbage: parts that no reader can want any more, and writes that ended half-way.

A part is wanted by a marker, by a generation, by a scoring's batch, or by a writer or compaction that has not created its own yet;
the last cannot be seen, so only what is older than a grace period is looked at. In order:

    parts listed → markers and generations read → for each folder: new markers read, folder listed again, its garbage deleted

- A marker that appears before its parts' turn keeps them: markers are read after the parts were listed, and again before each
  folder's deletions. A part that was written again meanwhile is young again: the last look is at its time.
- A writer that is later than COMMIT_DEADLINE_S with its marker writes its parts again after it (storage.commit), so a grace that is
  longer than that by far takes from nobody.
- What a generation superseded is wanted until the generation itself is as old as the grace: a reader may have resolved before it.
- A marker, generation or root that cannot be read stops everything before anything is deleted. What is not named as a part of a
  known table is never touched.

Times are the store's own, not this machine's: `store_time` asks it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rollouts.errors import UsageError
from storage.commit import COMMIT_DEADLINE_S
from storage.layout import RUNS, TABLES_PREFIX, part_run, table_of
from storage.markers import READERS
from storage.objects import ObjectInfo, ObjectStore, TendedStore, Unfinished
from storage.schema import SCHEMAS
from storage.wanted import WantedParts

GRACE_S = 24 * 3600.0
LEAST_GRACE_S = 2 * COMMIT_DEADLINE_S
_BATCH = 500
# deletions between two looks for new markers


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    parts: tuple[ObjectInfo, ...]
    # deleted, or to be deleted in a dry run
    unfinished: tuple[Unfinished, ...]
    # likewise
    kept_young: int
    # unwanted parts that are not old enough

    @property
    def num_bytes(self) -> int:
        """Of the parts."""
        return sum(part.size for part in self.parts)


def collect_garbage(store: TendedStore, *, now: float, grace_s: float = GRACE_S, dry_run: bool = False) -> Garbage:
    """Delete what has been unwanted for `grace_s`; `now`: by the store's clock. A dry run only reports.

    UsageError for a grace so short that a writer under way could lose its parts; DataError when it cannot be told what is wanted.
    """
    if grace_s < LEAST_GRACE_S:
        raise UsageError(
            f"the grace period must be at least {LEAST_GRACE_S:g} s, got {grace_s:g} s: a writer may take "
            f"{COMMIT_DEADLINE_S:g} s between its parts and the marker that makes them count"
        )
    before = now - grace_s
    parts = [info for info in store.list(TABLES_PREFIX) if table_of(info.key) in SCHEMAS]
    runs = {info.key: run_id for info in parts if (run_id := part_run(info.key))}
    listed = [info for info in parts if info.key in runs]
    wanted = WantedParts(store, set(runs.values()), before=before)
    unwanted = sorted((info for info in listed if info.key not in wanted), key=lambda info: info.key)
    old = [info for info in unwanted if info.modified < before]
    left = [write for prefix in (RUNS, TABLES_PREFIX) for write in store.unfinished(prefix) if write.began < before]
    gone = old if dry_run else list(_delete(store, old, wanted, before=before))
    if not dry_run:
        for write in left:
            store.abandon(write)
    return Garbage(parts=tuple(gone), unfinished=tuple(left), kept_young=len(unwanted) - len(old))


def store_time(store: ObjectStore) -> float:
    """Seconds since 1970 by the store's clock, learned by putting a small object and deleting it."""
    key = f"clock-{uuid.uuid4().hex}"
    store.put(key, b"")
    try:
        return max(info.modified for info in store.list(key))
    finally:
        store.delete(key)


def _delete(
    store: ObjectStore, garbage: list[ObjectInfo], wanted: WantedParts, *, before: float
) -> Iterator[ObjectInfo]:
    with ThreadPoolExecutor(READERS) as threads:
        for folder, batch in _batches(garbage):
            wanted.look_again()
            still_there = {info.key: info for info in store.list(folder)}
            condemned = [
                now
                for then in batch
                if (now := still_there.get(then.key)) and now.modified < before and now.key not in wanted
            ]
            list(threads.map(lambda info: store.delete(info.key), condemned))
            yield from condemned


def _batches(garbage: list[ObjectInfo]) -> Iterator[tuple[str, list[ObjectInfo]]]:
    """By folder, and in pieces."""
    folders = defaultdict(list)
    for info in garbage:
        folders[info.key.rpartition("/")[0] + "/"].append(info)
    for folder, found in sorted(folders.items()):
        for start in range(0, len(found), _BATCH):
            yield folder, found[start : start + _BATCH]
