"""Row groups and files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from storage.export.parquet_files import ExportFile, ParquetFiles, Sizes

COLUMNS: list[pa.Field[Any]] = [
    pa.field("number", pa.int64(), nullable=False),
    pa.field("text", pa.string(), nullable=False),
]
SCHEMA = pa.schema(COLUMNS)
BIG = 1 << 40


def _write(folder: Path, count: int, sizes: Sizes) -> list[ExportFile]:
    folder.mkdir(exist_ok=True)
    files = ParquetFiles(folder, "train", schema=SCHEMA, sizes=sizes)
    for number in range(count):
        files.add({"number": number, "text": "x" * number}, text_bytes=number)
    return files.close()


def _groups(file: Path) -> list[int]:
    metadata = pq.read_metadata(file)
    return [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]


def test_a_row_group_is_full_by_rows_or_by_text(tmp_path: Path) -> None:
    [by_rows] = _write(tmp_path / "rows", 10, Sizes(group_rows=4, group_bytes=BIG))
    assert _groups(tmp_path / "rows" / by_rows.path) == [4, 4, 2]
    [by_text] = _write(tmp_path / "text", 10, Sizes(group_rows=BIG, group_bytes=15))
    assert _groups(tmp_path / "text" / by_text.path) == [6, 3, 1]


def test_files_follow_one_another_with_all_rows_in_order(tmp_path: Path) -> None:
    files = _write(tmp_path, 10, Sizes(group_rows=2, file_bytes=1))
    assert [file.path for file in files] == [f"data/train-0000{index}.parquet" for index in range(5)]
    numbers = [number for file in files for number in pq.read_table(tmp_path / file.path)["number"].to_pylist()]
    assert numbers == list(range(10))


def test_a_file_is_described_as_it_is(tmp_path: Path) -> None:
    [file] = _write(tmp_path, 10, Sizes())
    data = (tmp_path / file.path).read_bytes()
    assert (file.sha256, file.num_bytes) == (hashlib.sha256(data).hexdigest(), len(data))
    assert file.num_rows == 10


def test_equal_rows_make_equal_bytes(tmp_path: Path) -> None:
    assert _write(tmp_path / "a", 50, Sizes(group_rows=7)) == _write(tmp_path / "b", 50, Sizes(group_rows=7))


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    assert _write(tmp_path, 0, Sizes()) == []
    assert not list(tmp_path.iterdir())


def test_a_row_that_does_not_fit_the_schema_is_refused(tmp_path: Path) -> None:
    files = ParquetFiles(tmp_path, "train", schema=SCHEMA, sizes=Sizes())
    files.add({"number": None, "text": "x"}, text_bytes=1)
    with pytest.raises(pa.ArrowInvalid, match="number"):
        files.close()
