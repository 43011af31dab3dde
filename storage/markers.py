"""The marker of a work item: the object whose existence publishes the item's rows, in all tables at once.

    no marker → the item's parts (if any) are nobody's      marker → exactly the parts it lists are the item's rows

A marker is created once and never changed. Equal content gives equal bytes: it holds no time and no host.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from rollouts.episode import Spend
from rollouts.errors import DataError
from rollouts.receipt import Progress, Receipt
from storage.content_hash import NO_ROWS, combine
from storage.layout import item_id_of, marker_key, markers_prefix
from storage.objects import ObjectStore
from storage.parts import Part
from storage.schema import LATER_TABLES, SCHEMA_VERSION, TABLES
from storage.sealed import read_sealed

READERS = 16
# markers are small and far apart: what counts is the number of requests under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    item_id: str
    run_id: str
    schema_version: int
    parts: tuple[Part, ...]
    row_hash: Mapping[str, str]
    # table → multiset hash of the item's rows, every table present
    progress: Progress
    early_stop: bool

    @property
    def receipt(self) -> Receipt:
        return Receipt(
            item_id=self.item_id,
            progress=self.progress,
            rows={table: sum(part.num_rows for part in self.parts if part.table == table) for table in TABLES},
            row_hash=dict(self.row_hash),
            early_stop=self.early_stop,
        )


def create_marker(store: ObjectStore, marker: Marker) -> bool:
    """False: another writer has published the item."""
    return store.put_if_absent(marker_key(marker.run_id, marker.item_id), marker_to_bytes(marker))


def marker_to_bytes(marker: Marker) -> bytes:
    return json.dumps(asdict(marker), sort_keys=True, separators=(",", ":")).encode() + b"\n"


def marker_from_bytes(data: bytes, *, key: str) -> Marker:
    """DataError naming `key` for bytes that are no marker, or one of a newer schema."""
    try:
        record = orjson.loads(data)
        version = record["schema_version"]
        return _marker(record) if version == SCHEMA_VERSION else _refuse(key, version)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"marker {key} is corrupted ({error!r}); restore it from a copy") from error


def read_marker(store: ObjectStore, run_id: str, item_id: str) -> Marker:
    """MissingObject when the item is not published."""
    key = marker_key(run_id, item_id)
    return marker_from_bytes(store.get(key), key=key)


def marker_keys(store: ObjectStore, run_id: str) -> list[str]:
    """Sorted."""
    return sorted(info.key for info in store.list(markers_prefix(run_id)))


def read_markers(store: ObjectStore, run_id: str, *, known: Container[str] = ()) -> Iterator[Marker]:
    """Every marker of the run but those of `known` items, in order of item id; sealed ones are not fetched one by one."""
    keys = [key for key in marker_keys(store, run_id) if item_id_of(key) not in known]
    sealed = read_sealed(store, run_id) if keys else {}
    with ThreadPoolExecutor(READERS) as pool:
        loose = {key: pool.submit(store.get, key) for key in keys if item_id_of(key) not in sealed}
        for key in keys:
            data = loose[key].result() if key in loose else sealed[item_id_of(key)]
            yield marker_from_bytes(data, key=key)


def combined_hashes(markers: Iterable[Marker | Receipt]) -> dict[str, str]:
    """Table → hash of all rows that the markers, or their receipts, publish."""
    every = list(markers)
    return {table: combine(marker.row_hash[table] for marker in every) for table in TABLES}


def _marker(record: Mapping[str, Any]) -> Marker:
    progress = record["progress"]
    return Marker(
        item_id=record["item_id"],
        run_id=record["run_id"],
        schema_version=record["schema_version"],
        parts=tuple(_part(part) for part in record["parts"]),
        row_hash=_row_hash(record["row_hash"]),
        progress=Progress(**{**progress, "spend": Spend(**progress["spend"])}),
        early_stop=record["early_stop"],
    )


def _row_hash(record: Mapping[str, str]) -> dict[str, str]:
    known = dict.fromkeys(LATER_TABLES, NO_ROWS) | dict(record)
    return {table: known[table] for table in TABLES}


def _part(record: Mapping[str, Any]) -> Part:
    if record["table"] not in TABLES:
        raise ValueError(f"no table {record['table']!r}")
    return Part(**record)


def _refuse(key: str, version: object) -> Marker:
    raise DataError(
        f"marker {key} has schema version {version}; this treeroll reads {SCHEMA_VERSION}, install the version that wrote it"
    )
