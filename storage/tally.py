"""What was found of one item's rows, summed up so that the rows need not stay in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from storage.content_hash import NO_ROWS, combine, row_hash
from storage.layout import marker_key
from storage.markers import Marker
from storage.schema import TABLES


class Tally:
    """Rows may come in pieces and in any order."""

    def __init__(self) -> None:
        self.rows = dict.fromkeys(TABLES, 0)
        self.hashes = dict.fromkeys(TABLES, NO_ROWS)
        self._strays: set[tuple[str, str, str]] = set()

    def add(self, table: str, rows: Sequence[Mapping[str, Any]], *, run_id: str, item_id: str) -> None:
        self.rows[table] += len(rows)
        self.hashes[table] = combine([self.hashes[table], row_hash(table, rows)])
        stamps = {(row["run_id"], row["item_id"]) for row in rows} - {(run_id, item_id)}
        self._strays |= {(table, *stamp) for stamp in stamps}

    def differences(self, marker: Marker) -> Iterator[str]:
        """What the marker promises and the rows do not hold."""
        key, promised = marker_key(marker.run_id, marker.item_id), marker.receipt.rows
        for table in TABLES:
            if promised[table] != self.rows[table]:
                yield f"marker {key} promises {promised[table]} rows of {table}, its parts hold {self.rows[table]}"
            if marker.row_hash[table] != self.hashes[table]:
                yield (
                    f"marker {key} promises row hash {marker.row_hash[table]} for {table}, "
                    f"its rows have {self.hashes[table]}"
                )
        for table, run_id, item_id in sorted(self._strays):
            yield f"marker {key} publishes rows of {table} that are stamped run {run_id}, item {item_id}"
        planned = marker.progress.episodes_planned
        if planned != self.rows["episodes"]:
            yield f"marker {key} tells of {planned} episodes, {self.rows['episodes']} have a row"
