"""Rows in, Parquet files out, in the order of the rows and with bytes that are a function of them.

One row group is in memory at a time. It is closed by its number of rows or by its text, whichever is first: 10,000 questions to
a critic are a few hundred megabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ZSTD_LEVEL = 6
# 9 % smaller than level 3; a release is written once and read often
PAGE_BYTES = 4 * 1024 * 1024
# neighbours share most of their text: a page must hold many of them for zstd to see it


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """When a row group, and a file, is full."""

    group_rows: int = 10_000
    group_bytes: int = 64 * 1024 * 1024
    # of text, before compression
    file_bytes: int = 128 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFile:
    path: str
    # relative to the dataset's root
    sha256: str
    num_bytes: int
    num_rows: int | None
    # None: not a data file


class ParquetFiles:
    """The files data/<split>-00000.parquet, -00001 and so on. OPEN (add) → CLOSED (close returns them)."""

    def __init__(self, folder: Path, split: str, *, schema: pa.Schema, sizes: Sizes) -> None:
        """Nothing is written, and no file made, before there is a row."""
        self._folder = folder
        self._split = split
        self._schema = schema
        self._sizes = sizes
        self._rows: list[Mapping[str, object]] = []
        self._text_bytes = 0
        self._open: _OpenFile | None = None
        self._closed: list[ExportFile] = []

    def add(self, row: Mapping[str, object], *, text_bytes: int) -> None:
        self._rows.append(row)
        self._text_bytes += text_bytes
        if len(self._rows) >= self._sizes.group_rows or self._text_bytes >= self._sizes.group_bytes:
            self._flush()

    def close(self) -> list[ExportFile]:
        self._flush()
        self._close_file()
        return self._closed

    def _flush(self) -> None:
        if not self._rows:
            return
        group = _arrow_table(self._rows, self._schema)
        group.validate(full=True)
        if self._open is None:
            path = f"data/{self._split}-{len(self._closed):05d}.parquet"
            self._open = _OpenFile(self._folder, path, self._schema)
        self._rows, self._text_bytes = [], 0
        if self._open.write(group) >= self._sizes.file_bytes:
            self._close_file()

    def _close_file(self) -> None:
        if self._open is not None:
            self._closed.append(self._open.close())
            self._open = None


class _OpenFile:
    def __init__(self, folder: Path, path: str, schema: pa.Schema) -> None:
        self._path = path
        self._target = folder / path
        self._target.parent.mkdir(exist_ok=True)
        self._sink = pa.OSFile(str(self._target), "wb")
        self._writer = pq.ParquetWriter(
            self._sink, schema, compression="zstd", compression_level=ZSTD_LEVEL, data_page_size=PAGE_BYTES
        )
        self._num_rows = 0

    def write(self, group: pa.Table) -> int:
        """The file's bytes so far."""
        self._writer.write_table(group, row_group_size=group.num_rows)
        self._num_rows += group.num_rows
        return self._sink.tell()

    def close(self) -> ExportFile:
        self._writer.close()
        self._sink.close()
        return described(self._target, self._path, num_rows=self._num_rows)


def _arrow_table(rows: Sequence[Mapping[str, object]], schema: pa.Schema) -> pa.Table:
    """Arrow cannot make JSON inside of lists from Python: it is made as text, and named JSON afterwards."""
    plain = pa.schema([field.with_type(_without_json(field.type)) for field in schema])
    made = pa.Table.from_pylist([dict(row) for row in rows], schema=plain.with_metadata(schema.metadata))
    return made if plain.equals(schema) else made.cast(schema)


def _without_json(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.JsonType):
        return kind.storage_type
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_without_json(kind.value_type)))
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_without_json(field.type)) for field in kind])
    return kind


def described(file: Path, path: str, *, num_rows: int | None) -> ExportFile:
    """What the manifest says of a file."""
    with file.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return ExportFile(path=path, sha256=sha256, num_bytes=file.stat().st_size, num_rows=num_rows)
