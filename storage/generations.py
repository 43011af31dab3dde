"""A generation: the object that says where the rows of many items lie now.

    generation 0        every item's rows lie where its marker says
    generation n > 0    the rows of the items it names lie in its parts; all other items as in generation 0

Created once by a conditional put, so of two compactions that start from one generation one wins. The highest generation
counts and the others do not; each stands alone. Markers are not touched: they still say what an item's rows are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rollouts.errors import DataError
from storage.layout import generation_key, generation_number, generations_prefix
from storage.objects import ObjectInfo, ObjectStore
from storage.parts import Part
from storage.schema import SCHEMA_VERSION, TABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A part that items share, its rows sorted by item."""

    part: Part
    first_item: str
    last_item: str

    def may_hold(self, item_id: str) -> bool:
        return self.first_item <= item_id <= self.last_item


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    run_id: str
    number: int
    items: frozenset[str]
    # whose rows lie in the shelves, all of them
    shelves: tuple[Shelf, ...]


def latest_generation(store: ObjectStore, run_id: str) -> Generation:
    """DataError naming the object when it cannot be read: an older generation would be another truth."""
    found = list_generations(store, run_id)
    return read_generation(store, run_id, found[-1].key) if found else no_generation(run_id)


def no_generation(run_id: str) -> Generation:
    return Generation(run_id=run_id, number=0, items=frozenset(), shelves=())


def list_generations(store: ObjectStore, run_id: str) -> list[ObjectInfo]:
    """The first one first."""
    return sorted(store.list(generations_prefix(run_id)), key=lambda info: info.key)


def create_generation(store: ObjectStore, generation: Generation) -> bool:
    """False: another compaction was quicker."""
    return store.put_if_absent(generation_key(generation.run_id, generation.number), _to_bytes(generation))


def read_generation(store: ObjectStore, run_id: str, key: str) -> Generation:
    """DataError naming `key` for bytes that are no generation of this run, or one of a newer schema."""
    try:
        record = json.loads(store.get(key))
        version = record["schema_version"]
        return _generation(record, run_id, key) if version <= SCHEMA_VERSION else _refuse(key, version)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"generation {key} is corrupted ({error!r}); restore it from a copy") from error


def _to_bytes(generation: Generation) -> bytes:
    record = {
        "schema_version": SCHEMA_VERSION,
        "run_id": generation.run_id,
        "number": generation.number,
        "items": sorted(generation.items),
        "shelves": [asdict(shelf) for shelf in generation.shelves],
    }
    return json.dumps(record, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _generation(record: Mapping[str, Any], run_id: str, key: str) -> Generation:
    if (record["run_id"], record["number"]) != (run_id, generation_number(key)):
        raise ValueError(f"it says it is generation {record['number']} of run {record['run_id']}")
    return Generation(
        run_id=run_id,
        number=record["number"],
        items=frozenset(record["items"]),
        shelves=tuple(_shelf(shelf) for shelf in record["shelves"]),
    )


def _shelf(record: Mapping[str, Any]) -> Shelf:
    part = Part(**record["part"])
    if part.table not in TABLES:
        raise ValueError(f"no table {part.table!r}")
    return Shelf(part=part, first_item=record["first_item"], last_item=record["last_item"])


def _refuse(key: str, version: object) -> Generation:
    raise DataError(
        f"generation {key} has schema version {version}; this treeroll reads {SCHEMA_VERSION}, install the version that wrote it"
    )
