"""The rows of single items, wherever they lie: in parts of their own, or in parts that items share since a compaction.

A part of an item's own is checked against its sha256. Of a shared part only the row groups that hold the item are fetched, so its
checksum cannot be; `treeroll verify` does that.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pyarrow as pa

from rollouts.errors import DataError
from storage.frames import open_files
from storage.generations import Generation, latest_generation
from storage.markers import Marker
from storage.objects import ObjectStore
from storage.parts import file_schema, read_part


class ItemRows:
    """Of one run, as it was when this was made. Good for any number of items."""

    def __init__(self, store: ObjectStore, run_id: str, *, endpoint_url: str = "") -> None:
        """`endpoint_url`: the store's, as `storage.objects.open_store` was told."""
        self._store = store
        self._generation: Generation = latest_generation(store, run_id)
        self._endpoint_url = endpoint_url

    def read(self, marker: Marker, table: str, *, columns: Sequence[str] | None = None) -> pa.Table:
        """The item's rows in the order in which they were written. DataError for a part that is missing or damaged."""
        rows = self._shared(marker, table) if marker.item_id in self._generation.items else self._own(marker, table)
        return rows.select(columns) if columns is not None else rows

    def _own(self, marker: Marker, table: str) -> pa.Table:
        found = [read_part(self._store, part) for part in marker.parts if part.table == table]
        return pa.concat_tables([file_schema(table).empty_table(), *found])

    def _shared(self, marker: Marker, table: str) -> pa.Table:
        shelves = [s for s in self._generation.shelves if s.part.table == table and s.may_hold(marker.item_id)]
        uris = [self._store.uri(shelf.part.key) for shelf in shelves]
        rows = open_files(uris, table, endpoint_url=self._endpoint_url).filter(pl.col("item_id") == marker.item_id)
        try:
            return rows.collect().to_arrow().cast(file_schema(table))
        except (OSError, pl.exceptions.PolarsError) as error:
            raise DataError(
                f"cannot read the rows of item {marker.item_id} in {', '.join(uris)} ({type(error).__name__}); "
                "run `treeroll verify`: it names what is missing or damaged"
            ) from error
