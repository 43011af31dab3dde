"""Writing parts that items share: slices of items come in order, parts of about the wanted size go out.

An item's rows are never cut between two parts, so a part's first and last item say what it may hold.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from itertools import groupby

import pyarrow as pa

from storage.generations import Shelf
from storage.layout import COMPACTED
from storage.objects import ObjectStore
from storage.parts import ROW_GROUP_ROWS, part_of, part_writer


def write_shelves(
    store: ObjectStore, like: Shelf, slices: Iterable[tuple[str, pa.Table]], target_bytes: int
) -> Iterator[Shelf]:
    """Put the rows as parts beside `like`, of the same table and partition. `slices`: (item id, rows), in order of item id."""
    file = _ShelfFile(like)
    for item_id, rows in _items(slices):
        file.add(item_id, rows)
        if file.num_bytes >= target_bytes:
            yield file.put(store)
            file = _ShelfFile(like)
    if file.num_rows:
        yield file.put(store)


def _items(slices: Iterable[tuple[str, pa.Table]]) -> Iterator[tuple[str, pa.Table]]:
    for item_id, group in groupby(slices, key=lambda found: found[0]):
        yield item_id, pa.concat_tables([rows for _, rows in group])


class _ShelfFile:
    """One part in the making. Rows wait until they fill a row group."""

    def __init__(self, like: Shelf) -> None:
        self._table = like.part.table
        self._folder = like.part.key.rpartition("/")[0] + "/"
        self._sink = io.BytesIO()
        self._writer = part_writer(self._table, self._sink)
        self._waiting: list[pa.Table] = []
        self._num_waiting = 0
        self._items: list[str] = []
        self.num_rows = 0

    @property
    def num_bytes(self) -> int:
        """Written so far, without the rows that wait."""
        return self._sink.tell()

    def add(self, item_id: str, rows: pa.Table) -> None:
        self._items = [*self._items[:1], item_id]
        self._waiting.append(rows)
        self._num_waiting += len(rows)
        self.num_rows += len(rows)
        if self._num_waiting >= ROW_GROUP_ROWS:
            self._flush()

    def put(self, store: ObjectStore) -> Shelf:
        self._flush()
        self._writer.close()
        data = self._sink.getvalue()
        part = part_of(self._table, self._folder, COMPACTED, data, num_rows=self.num_rows)
        store.put(part.key, data)
        return Shelf(part=part, first_item=self._items[0], last_item=self._items[-1])

    def _flush(self) -> None:
        if self._waiting:
            # at most twice the usual: a single item may have more rows than a row group
            self._writer.write_table(
                pa.concat_tables(self._waiting).combine_chunks(), row_group_size=2 * ROW_GROUP_ROWS
            )
        self._waiting, self._num_waiting = [], 0
