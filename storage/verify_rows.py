"""Checking rows: those of items in parts of their own, a batch of items at a time, and those in parts that items share.

A part that cannot be read makes every check that needs its rows fail as well; these are left out, they would hide the cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa

from rollouts.errors import DataError
from storage.generations import Generation
from storage.layout import generation_key, marker_key
from storage.markers import Marker
from storage.objects import ObjectStore
from storage.parts import file_schema, read_part, read_row_groups
from storage.references import PLACES, broken_references
from storage.schema import TABLES
from storage.tally import Tally

_BATCH_ITEMS = 64
# items whose references are checked by one query
_BATCH_ROWS = 1_000
# of a shared part in Python at a time

Tables: TypeAlias = dict[str, pa.Table]


@dataclass(slots=True)
class CheckedRows:
    tallies: dict[str, Tally] = field(default_factory=dict)
    # by item id
    problems: list[str] = field(default_factory=list)


# -- parts of an item's own -------------------------------------------------------------------------------------------


def check_own_parts(store: ObjectStore, markers: Sequence[Marker], threads: Executor) -> CheckedRows:
    checked = CheckedRows()
    waiting = iter(markers)
    while batch := list(islice(waiting, _BATCH_ITEMS)):
        sound = []
        for marker, (tables, problems) in zip(batch, threads.map(partial(_read_item, store), batch), strict=True):
            checked.tallies[marker.item_id] = tally = _tally(marker, tables)
            found = problems or list(tally.differences(marker))
            checked.problems += found
            if not found:
                sound.append(tables)
        checked.problems += _broken(_frames(sound), batch[0].run_id)
    return checked


def _read_item(store: ObjectStore, marker: Marker) -> tuple[Tables, list[str]]:
    pieces = {table: [file_schema(table).empty_table()] for table in TABLES}
    problems = []
    for part in marker.parts:
        try:
            pieces[part.table].append(read_part(store, part))
        except DataError as error:
            problems.append(str(error))
    return {table: pa.concat_tables(found) for table, found in pieces.items()}, problems


def _tally(marker: Marker, tables: Tables) -> Tally:
    tally = Tally()
    for table, rows in tables.items():
        tally.add(table, rows.to_pylist(), run_id=marker.run_id, item_id=marker.item_id)
    return tally


def _frames(items: Sequence[Tables]) -> dict[str, pl.LazyFrame]:
    return {table: _places(table, [tables[table] for tables in items]) for table in PLACES}


def _places(table: str, pieces: Iterable[pa.Table]) -> pl.LazyFrame:
    narrow = [rows.select(PLACES[table]) for rows in [file_schema(table).empty_table(), *pieces]]
    return pl.DataFrame(pa.concat_tables(narrow)).lazy()


# -- parts that items share -------------------------------------------------------------------------------------------


def check_shelves(store: ObjectStore, generation: Generation, markers: Mapping[str, Marker]) -> CheckedRows:
    """`markers`: of all items that can be read, by item id."""
    checked = CheckedRows()
    tallies: dict[str, Tally] = defaultdict(Tally)
    places: dict[str, list[pa.Table]] = {table: [] for table in PLACES}
    for shelf in generation.shelves:
        try:
            for rows in read_row_groups(store, shelf.part):
                _add_groups(tallies, shelf.part.table, rows, generation.run_id)
                if shelf.part.table in places:
                    places[shelf.part.table].append(rows.select(PLACES[shelf.part.table]))
        except DataError as error:
            checked.problems.append(str(error))
    checked.tallies = dict(tallies)
    if not checked.problems:
        checked.problems += _promises(generation, tallies, markers)
    if not checked.problems:
        frames = {table: _places(table, pieces) for table, pieces in places.items()}
        checked.problems += _broken(frames, generation.run_id)
    return checked


def _add_groups(tallies: dict[str, Tally], table: str, rows: pa.Table, run_id: str) -> None:
    for batch in rows.to_batches(max_chunksize=_BATCH_ROWS):
        by_item: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in batch.to_pylist():
            by_item[row["item_id"]].append(row)
        for item_id, found in by_item.items():
            tallies[item_id].add(table, found, run_id=run_id, item_id=item_id)


def _promises(generation: Generation, tallies: dict[str, Tally], markers: Mapping[str, Marker]) -> Iterator[str]:
    key = generation_key(generation.run_id, generation.number)
    for item_id in sorted(generation.items):
        if item_id in markers:
            yield from tallies[item_id].differences(markers[item_id])
        else:
            yield f"generation {key} holds item {item_id}, which has no marker that can be read; restore it from a copy"
    for item_id in sorted(tallies.keys() - generation.items):
        yield f"generation {key} publishes rows of item {item_id}, which it does not name"


def _broken(frames: Mapping[str, pl.LazyFrame], run_id: str) -> list[str]:
    return [f"marker {marker_key(run_id, item_id)}: {wrong}" for item_id, wrong in broken_references(frames)]
