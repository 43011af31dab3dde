"""A scoring: what one critic says of a run's recorded drafts, published batch after batch.

    runs/<run>/scores/<scoring>/<n>.json                                               batch n is published
    tables/verdicts/domain=<d>/split=<s>/run=<run>/scoring=<scoring>/batch-<sha16>.parquet   its rows

    batches 0 … n - 1 read → parts of batch n put (nobody reads them) → its marker created (conditional put) → published

- A scoring's name is a function of the critic's identity; batch n is a function of what batches 0 … n - 1 left to be scored. So a
  batch that was not published is made again as it was, and of two that were made at once only one becomes batch n.
- A marker says how far it takes each item; together they say what is left. It is never changed, and holds no time and no host.
- Batches stay as they are: compaction looks at items' parts only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from rollouts.errors import DataError
from rollouts.identity import digest
from storage.layout import RUNS, check_run_id, part_folder
from storage.markers import READERS
from storage.objects import ObjectStore
from storage.parts import Part
from storage.schema import SCHEMA_VERSION, VERDICTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """How far a batch takes an item: its drafts [first, upto) of all `num_drafts`, in prefix order."""

    item_id: str
    first: int
    upto: int
    num_drafts: int

    @property
    def is_all(self) -> bool:
        """Whether the item is scored to its end."""
        return self.upto == self.num_drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One marker."""

    run_id: str
    scorer: str
    # the critic's identity
    number: int
    covered: tuple[Covered, ...]
    parts: tuple[Part, ...]
    row_hash: str

    @property
    def num_rows(self) -> int:
        return sum(part.num_rows for part in self.parts)


def scoring_id(scorer: str) -> str:
    """16 hex digits."""
    return digest(b"scoring", scorer.encode()).hex()[:16]


def scores_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/scores/"


def batch_key(run_id: str, scorer: str, number: int) -> str:
    """Keys sort as their numbers do."""
    return f"{scores_prefix(run_id)}{scoring_id(scorer)}/{number:08d}.json"


def verdicts_folder(origin: Mapping[str, Any], scorer: str) -> str:
    """Where the rows of a domain and split lie; `origin`: the columns that an item's rows share."""
    named = (("domain", origin["domain"]), ("split", origin["split"]), ("run", origin["run_id"]))
    return part_folder(VERDICTS, (*named, ("scoring", scoring_id(scorer))))


def create_batch(store: ObjectStore, batch: Batch) -> bool:
    """False: another process has published a batch of that number."""
    record = {"schema_version": SCHEMA_VERSION, **asdict(batch)}
    data = json.dumps(record, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    return store.put_if_absent(batch_key(batch.run_id, batch.scorer, batch.number), data)


def read_batches(store: ObjectStore, run_id: str, *, scorer: str | None = None) -> Iterator[Batch]:
    """One scoring's, or all of the run's: by scoring and number. DataError for one that cannot be read or is not there."""
    prefix = scores_prefix(run_id) + (f"{scoring_id(scorer)}/" if scorer is not None else "")
    keys = sorted(info.key for info in store.list(prefix))
    with ThreadPoolExecutor(READERS) as pool:
        known: dict[str, int] = {}
        for key, data in zip(keys, pool.map(store.get, keys), strict=True):
            batch = _batch(data, key=key)
            expected = known.get(batch.scorer, 0)
            if key != batch_key(run_id, batch.scorer, expected) or (batch.run_id, batch.number) != (run_id, expected):
                raise DataError(
                    f"batch {key} should be number {expected} of its scoring: one before it is missing, or it lies where "
                    "another belongs; restore it from a copy"
                )
            known[batch.scorer] = expected + 1
            yield batch


def _batch(data: bytes, *, key: str) -> Batch:
    try:
        record = json.loads(data)
        version = record.pop("schema_version")
        if version != SCHEMA_VERSION:
            raise DataError(
                f"batch {key} has schema version {version}; this treeroll reads {SCHEMA_VERSION}, install the version that "
                "wrote it"
            )
        covered = tuple(Covered(**each) for each in record.pop("covered"))
        return Batch(covered=covered, parts=tuple(Part(**part) for part in record.pop("parts")), **record)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"batch {key} is corrupted ({error!r}); restore it from a copy") from error
