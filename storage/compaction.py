"""Compaction: the rows of many small parts put into few large ones, and one generation that makes these count instead.

    generation n read → parts put (nobody reads them) → generation n + 1 created (conditional put) → it counts

- Before the last step the new parts are garbage, after it the old ones are; `storage.collect` removes either after its grace,
  so a reader that resolved before goes on. Nothing is deleted here.
- Of two compactions that began from one generation one creates the next; the other has changed nothing.
- Rows are neither changed nor dropped: what is read was checked against its sha256, counts are checked, and hashes of rows do not
  depend on how rows are filed.
- Within a partition rows are sorted by item, those of one item stay in their order: shared prefixes lie side by side, and a reader
  of one item skips all row groups but its own.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import pyarrow as pa

from rollouts.errors import DataError
from storage.generations import Generation, Shelf, create_generation
from storage.layout import COMPACTED
from storage.markers import READERS
from storage.objects import ObjectStore
from storage.parts import Part, read_part, read_row_groups
from storage.published import Published, read_published
from storage.shelf_files import write_shelves

TARGET_BYTES = 128 * 2**20
# of a part; readers like 64 to 256 MiB, and a part being made is held in memory
_READ_AHEAD_BYTES = 16 * 2**20

Slice: TypeAlias = tuple[str, pa.Table]
# an item and its rows of one partition


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionReport:
    run_id: str
    generation: int
    # the one that counts now, as far as this compaction knows
    created: bool
    # False: there was nothing to gain, or another compaction was quicker
    overtaken: bool
    # by that other one: compact again if it matters
    parts_before: int
    parts_after: int
    bytes_before: int
    bytes_after: int


def compact(store: ObjectStore, run_id: str, *, target_bytes: int = TARGET_BYTES) -> CompactionReport:
    """Put the run's small parts into parts of about `target_bytes`. Memory: about three times that, whatever the run's size.

    A part of half the target or more stays as it is. A run under way may be compacted; what it publishes later is taken the
    next time. DataError for a part that is missing or damaged, and nothing has changed then.
    """
    before = read_published(store, run_id)
    shelves = _shelves(before)
    kept, small = _sorted_out(shelves, target_bytes)
    if not small:
        return _report(before, list(shelves), generation=before.generation)
    made = [shelf for group in small for shelf in write_shelves(store, group[0], _merged(store, group), target_bytes)]
    after = kept + made
    _check_rows(run_id, shelves, after)
    _check_still_there(store, made)
    generation = Generation(
        run_id=run_id,
        number=before.generation.number + 1,
        items=frozenset(marker.item_id for marker in before.markers),
        shelves=tuple(sorted(after, key=lambda shelf: (shelf.part.table, shelf.first_item, shelf.part.key))),
    )
    created = create_generation(store, generation)
    return _report(before, after, generation=generation if created else before.generation, overtaken=not created)


def _shelves(published: Published) -> list[Shelf]:
    """Every live part; one of an item's own is a shelf for that item alone."""
    own = [
        Shelf(part=part, first_item=marker.item_id, last_item=marker.item_id)
        for marker in published.on_their_own
        for part in marker.parts
    ]
    return [*published.generation.shelves, *own]


def _sorted_out(shelves: Iterable[Shelf], target_bytes: int) -> tuple[list[Shelf], list[list[Shelf]]]:
    """Those that stay as they are, and those that are worth merging, by partition and in order of their items."""
    kept = []
    small = defaultdict(list)
    for shelf in shelves:
        if shelf.part.num_bytes * 2 >= target_bytes:
            kept.append(shelf)
        else:
            small[shelf.part.key.rpartition("/")[0]].append(shelf)
    kept += [group[0] for group in small.values() if len(group) == 1]
    groups = [sorted(group, key=_by_item) for _, group in sorted(small.items()) if len(group) > 1]
    return kept, groups


def _by_item(shelf: Shelf) -> tuple[str, str]:
    return (shelf.first_item, shelf.part.key)


# -- the rows of one partition, in order of items ---------------------------------------------------------------------


def _merged(store: ObjectStore, shelves: Sequence[Shelf]) -> Iterator[Slice]:
    """Parts of single items follow one another; a part that items share is read beside them, a row group at a time."""
    single = [shelf.part for shelf in shelves if shelf.first_item == shelf.last_item]
    shared = [shelf.part for shelf in shelves if shelf.first_item != shelf.last_item]
    streams = [_slices(_read_ahead(store, single)), *(_slices(read_row_groups(store, part)) for part in shared)]
    return heapq.merge(*streams, key=lambda found: found[0])


def _read_ahead(store: ObjectStore, parts: Sequence[Part]) -> Iterator[pa.Table]:
    """The parts' rows, in order; several small parts are fetched at a time."""
    with ThreadPoolExecutor(READERS) as pool:
        for window in _windows(parts):
            yield from pool.map(lambda part: read_part(store, part), window)


def _windows(parts: Sequence[Part]) -> Iterator[list[Part]]:
    window: list[Part] = []
    for part in parts:
        if window and (len(window) == READERS or sum(p.num_bytes for p in window) + part.num_bytes > _READ_AHEAD_BYTES):
            yield window
            window = []
        window.append(part)
    yield window


def _slices(tables: Iterable[pa.Table]) -> Iterator[Slice]:
    """Rows of neighbours that are of one item, item by item; an item may come in several slices, one after the other."""
    for rows in tables:
        start = 0
        for item_id, run in groupby(rows["item_id"].to_pylist()):
            length = sum(1 for _ in run)
            yield str(item_id), rows.slice(start, length)
            start += length


# -- before it counts -------------------------------------------------------------------------------------------------


def _check_rows(run_id: str, before: Iterable[Shelf], after: Iterable[Shelf]) -> None:
    wanted, found = (sum(shelf.part.num_rows for shelf in shelves) for shelves in (before, after))
    if wanted != found:
        raise DataError(
            f"compaction of run {run_id} wrote {found} rows, its parts hold {wanted}; nothing was changed. "
            "Run `treeroll verify`: it names the part or marker that is wrong"
        )


def _check_still_there(store: ObjectStore, made: Iterable[Shelf]) -> None:
    """A part as old as the collector's grace could be gone before its generation says that it is wanted."""
    keys = {shelf.part.key for shelf in made}
    folders = {key.rpartition("/")[0] for key in keys}
    found = {info.key for folder in folders for info in store.list(f"{folder}/{COMPACTED}-")}
    if gone := sorted(keys - found):
        raise DataError(
            f"new part {gone[0]} was removed before compaction ended; nothing was changed. Compact again, and collect garbage "
            "with a longer grace"
        )


def _report(
    before: Published, after: Sequence[Shelf], *, generation: Generation, overtaken: bool = False
) -> CompactionReport:
    old = _shelves(before)
    return CompactionReport(
        run_id=generation.run_id,
        generation=generation.number,
        created=generation.number > before.generation.number,
        overtaken=overtaken,
        parts_before=len(old),
        parts_after=len(after),
        bytes_before=sum(shelf.part.num_bytes for shelf in old),
        bytes_after=sum(shelf.part.num_bytes for shelf in after),
    )
