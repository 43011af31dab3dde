"""One part: an immutable Parquet object with rows of one table, and how it is encoded and read back.

The bytes are a function of the rows (and of the Arrow version): no time, no host, one writer thread, fixed options.

Whatever is read comes with today's columns. A part that was written before a nullable column was added lacks it: its rows have
null there. A part of a newer schema, or with columns unknown here, is refused by name.
"""

from __future__ import annotations

import hashlib
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.abc import MetaPathFinder
from operator import itemgetter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from rollouts.errors import DataError
from storage.layout import part_key
from storage.objects import MissingObject, ObjectStore
from storage.schema import JSON_COLUMNS, SCHEMA_VERSION, SCHEMAS

ZSTD_LEVEL = 3
# level 9 makes parts a tenth smaller at a quarter of the speed
SMALL_PART_ROWS = 100
# below, Snappy: setting zstd up for each column costs more than it saves (4.8 to 2.3 ms for the parts of a tree of 44 steps, at the
# same size). Nor do dictionaries and statistics pay there (tests.benchmarks.storage --only writing); compaction writes them
ROW_GROUP_ROWS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    table: str
    key: str
    sha256: str
    # of the bytes, 64 hex digits
    num_bytes: int
    num_rows: int


def part_of(table: str, folder: str, name: str, data: bytes, *, num_rows: int) -> Part:
    """The part that these bytes are, of rows of that folder."""
    sha256 = hashlib.sha256(data).hexdigest()
    key = part_key(folder, name, sha256)
    return Part(table=table, key=key, sha256=sha256, num_bytes=len(data), num_rows=num_rows)


def encode_rows(table: str, rows: Sequence[Mapping[str, object]]) -> bytes:
    """The rows as Parquet. KeyError, TypeError or ValueError for a row that does not fit the schema."""
    sink = pa.BufferOutputStream()
    # into one of Python's, each of a hundred short writes would wait for the interpreter
    with part_writer(table, sink, small=len(rows) < SMALL_PART_ROWS) as writer:
        writer.write_table(_arrow_table(table, rows), row_group_size=ROW_GROUP_ROWS)
    return sink.getvalue().to_pybytes()


def part_writer(table: str, sink: io.BytesIO | pa.BufferOutputStream, *, small: bool = False) -> pq.ParquetWriter:
    """For Arrow tables with the columns that `read_part` gives."""
    return pq.ParquetWriter(
        sink,
        file_schema(table),
        compression="snappy" if small else "zstd",
        compression_level=None if small else ZSTD_LEVEL,
        use_dictionary=not small,
        # the least and the greatest JSON text help nobody and may be long
        write_statistics=False if small else [name for name in SCHEMAS[table].names if name not in JSON_COLUMNS],
    )


def read_part(store: ObjectStore, part: Part) -> pa.Table:
    """The part's rows, after its bytes proved to be those that were published. DataError says what is wrong with which object."""
    return _as_today(part, _open_part(store, part).read(use_threads=False))


def read_row_groups(store: ObjectStore, part: Part) -> Iterator[pa.Table]:
    """The same rows, in pieces of about ROW_GROUP_ROWS: only the part's compressed bytes are in memory as a whole."""
    file = _open_part(store, part)
    for number in range(file.num_row_groups):
        yield _as_today(part, file.read_row_group(number, use_threads=False))


def read_rows(store: ObjectStore, part: Part) -> list[dict[str, Any]]:
    return read_part(store, part).to_pylist()


def _open_part(store: ObjectStore, part: Part) -> pq.ParquetFile:
    try:
        data = store.get(part.key)
    except MissingObject:
        raise DataError(f"part {part.key} is missing though a marker publishes it; restore it from a copy") from None
    found = hashlib.sha256(data).hexdigest()
    if found != part.sha256:
        raise DataError(
            f"part {part.key} is corrupted: sha256 should be {part.sha256}, is {found} "
            f"({len(data)} of {part.num_bytes} bytes); restore it from a copy"
        )
    # pq.read_table would import pandas (see _arrow_table). Read without threads: one of Arrow's that gives back a Python buffer
    # while the interpreter ends aborts the process (4 of 20 short programs, pyarrow 26); readers work in parallel by parts anyway
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    _check_schema(part, file.schema_arrow, file.metadata.metadata or {})
    return file


@cache
def file_schema(table: str) -> pa.Schema:
    """As files have it: what columns mean stands in `storage.schema`, not in every part."""
    return pa.schema([field.remove_metadata() for field in SCHEMAS[table]]).with_metadata(SCHEMAS[table].metadata)


def _as_today(part: Part, rows: pa.Table) -> pa.Table:
    schema = file_schema(part.table)
    present = set(rows.schema.names)
    columns = [rows[field.name] if field.name in present else pa.nulls(len(rows), field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


class _NoPandas(MetaPathFinder):
    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is not looked for now", name=name)


def leave_pandas_out() -> None:
    """For a process that writes: pyarrow looks for pandas once, at its first conversion of Python values, and loading it stalls a
    worker for 1 to 3 s and costs it 45 MB (pyarrow 26, pandas 3, two cores). Afterwards `to_pandas` works as ever."""
    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, hidden := _NoPandas())
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(hidden)


def _arrow_table(table: str, rows: Sequence[Mapping[str, object]]) -> pa.Table:
    schema = file_schema(table)
    names = frozenset(schema.names)
    for row in rows:
        if not names <= row.keys():
            # Arrow would make it null
            raise KeyError(f"a row of table {table} lacks {', '.join(sorted(names - row.keys()))}")
    for field in schema:
        if pa.types.is_integer(field.type) and float in map(type, map(itemgetter(field.name), rows)):
            # Arrow would cut 1.5 down to 1; whatever else does not fit it refuses
            raise TypeError(f"column {field.name} holds {field.type}, got float")
    return pa.Table.from_pylist(rows, schema=schema)


def _check_schema(part: Part, schema: pa.Schema, footer: Mapping[bytes, bytes]) -> None:
    version = footer.get(b"treeroll.schema_version", b"").decode()
    if version != str(SCHEMA_VERSION):
        raise DataError(
            f"part {part.key} has schema version {version or 'none'}; this treeroll reads {SCHEMA_VERSION}, "
            "install the version that wrote it"
        )
    today = SCHEMAS[part.table]
    if any(not _fits(field, schema) for field in today):
        raise DataError(
            f"part {part.key} does not have the columns of table {part.table}; it was not written by treeroll"
        )
    if unknown := sorted(set(schema.names) - set(today.names)):
        raise DataError(
            f"part {part.key} has columns that this treeroll does not know ({', '.join(unknown)}); "
            "install the version that wrote it"
        )


def _fits(field: pa.Field[pa.DataType], schema: pa.Schema) -> bool:
    """Whether a file's schema has the column; a nullable one may have come later than the file."""
    index = schema.get_field_index(field.name)
    return field.nullable if index < 0 else schema.field(index).equals(field)
