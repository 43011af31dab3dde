"""What a run's readers see, row by row, so that what is lost and what is doubled can be counted and not only noticed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from storage.content_hash import combine, content_hash, hashed_cells, row_hash
from storage.markers import read_markers
from storage.objects import ObjectStore
from storage.parts import read_rows
from storage.reader import live_parts
from storage.schema import CONTENT_TABLES, hashed_columns, later_columns


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    rows: Counter[str]
    # digest of a row's content → how often it is there
    content_hash: str
    # of these rows
    unread_rows: int
    # that are read though no marker publishes them: 0, or readers trust listings
    orphans: int
    # parts that lie there and no marker names: what killed writers left


def look(store: ObjectStore, run_id: str) -> Seen:
    rows: Counter[str] = Counter()
    hashes: dict[str, list[str]] = {}
    num_read = num_promised = 0
    markers = list(read_markers(store, run_id))
    for table in CONTENT_TABLES:
        for part in live_parts(store, run_id, table):
            found = read_rows(store, part)
            rows.update(_digest(table, row) for row in found)
            hashes.setdefault(table, []).append(row_hash(table, found))
            num_read += len(found)
        num_promised += sum(marker.receipt.rows[table] for marker in markers)
    published = {part.key for marker in markers for part in marker.parts}
    return Seen(
        rows=rows,
        content_hash=content_hash({table: combine(found) for table, found in hashes.items()}),
        unread_rows=max(0, num_read - num_promised),
        orphans=sum(info.key not in published for info in store.list("tables/")),
    )


def _digest(table: str, row: dict[str, object]) -> str:
    cells = hashed_cells(row, columns=hashed_columns(table), later=later_columns(table))
    return hashlib.sha256(json.dumps([table, cells], default=bytes.hex).encode()).hexdigest()
