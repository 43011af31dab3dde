"""Everything that one export says, from which its card and its manifest are made.

No time, no host, no place: equal exports have equal bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from storage.export.formats import Format
from storage.export.parquet_files import ExportFile
from storage.export.splits import SplitName
from storage.export.survey import Survey
from storage.runs import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStatistics:
    num_tasks: int
    # with at least one row
    num_rows: int
    counts: Mapping[tuple[str, ...], int]
    # the values of `Format.counted_by` → rows
    longest: int
    # characters of the longest row's messages


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSettings:
    format: str
    name: str
    # for people
    validation_share: float
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportContent:
    format: Format
    settings: ExportSettings
    record: RunRecord
    content_hash: str
    # of the run's published rows
    row_hash: Mapping[str, str]
    # table → the same, of this table
    items_settled: int
    survey: Survey
    num_duplicates: int
    splits: Mapping[SplitName, SplitStatistics]
    # those with rows
    data_files: Mapping[SplitName, tuple[ExportFile, ...]]

    @property
    def items_planned(self) -> int:
        return len(self.record.items)
