"""Rows of one item after another into the files of their splits: one row for each identity, statistics on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.export.content import SplitStatistics
from storage.export.formats import ExportRow, Format
from storage.export.parquet_files import ExportFile, ParquetFiles, Sizes
from storage.export.source import SourceItem
from storage.export.splits import SplitName, TaskKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """Splits without a row are absent."""

    data_files: Mapping[SplitName, tuple[ExportFile, ...]]
    statistics: Mapping[SplitName, SplitStatistics]
    num_duplicates: int


def gather(
    items: Iterable[SourceItem],
    made: Format,
    *,
    splits: Mapping[TaskKey, SplitName],
    folder: Path,
    sizes: Sizes,
) -> Gathered:
    """Write the data files below `folder`. A task that `splits` does not name must have no rows."""
    collectors = {split: _Collector(split, made, folder, sizes) for split in sorted(set(splits.values()))}
    seen: set[bytes] = set()
    num_duplicates = 0
    for item in items:
        for row in made.rows(item):
            if row.identity in seen:
                num_duplicates += 1
                continue
            seen.add(row.identity)
            task = (item.planned.domain, item.planned.task_id)
            collectors[splits[task]].add(task, row)
    closed = {split: collector.close() for split, collector in collectors.items()}
    filled = {split: files for split, files in closed.items() if files}
    return Gathered(
        data_files=filled,
        statistics={split: collectors[split].statistics() for split in filled},
        num_duplicates=num_duplicates,
    )


class _Collector:
    """One split's rows and their statistics."""

    def __init__(self, split: SplitName, made: Format, folder: Path, sizes: Sizes) -> None:
        self._made = made
        self._files = ParquetFiles(folder, split, schema=made.schema, sizes=sizes)
        self._tasks: set[TaskKey] = set()
        self._counts: Counter[tuple[str, ...]] = Counter()
        self._longest = 0

    def add(self, task: TaskKey, row: ExportRow) -> None:
        self._files.add(row.columns, text_bytes=row.length)
        self._tasks.add(task)
        self._counts[tuple(str(row.columns[name]) for name in self._made.counted_by)] += 1
        self._longest = max(self._longest, row.length)

    def close(self) -> tuple[ExportFile, ...]:
        return tuple(self._files.close())

    def statistics(self) -> SplitStatistics:
        return SplitStatistics(
            num_tasks=len(self._tasks),
            num_rows=self._counts.total(),
            counts=dict(sorted(self._counts.items())),
            longest=self._longest,
        )
