"""From a run's published rows to a dataset version: one pass, an item at a time, whatever the size of the run.

Only published items are read, so a run under way can be exported; the card then says how much of it there was.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from storage.content_hash import content_hash
from storage.export.card import CARD, card_text
from storage.export.content import ExportContent, ExportSettings
from storage.export.gather import gather
from storage.export.manifest import manifest_bytes
from storage.export.parquet_files import ExportFile, Sizes, described
from storage.export.publish import publish
from storage.export.registry import find_format
from storage.export.source import SourceItem, read_item
from storage.export.splits import assign_splits
from storage.export.survey import survey
from storage.item_rows import ItemRows
from storage.markers import Marker, combined_hashes, read_markers
from storage.objects import ObjectStore, open_store
from storage.runs import RunRecord, read_run


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    name: str
    format: str
    uri: str
    # of the dataset's folder
    created: bool
    # False: the same version was there already
    rows: Mapping[str, int]
    # split → rows; a split without rows is absent
    tasks: Mapping[str, int]
    left_out: int
    # rows of the table that are not usable: for critic-sft those whose label abstains
    duplicates: int
    # usable rows whose question and answer another row has
    items_settled: int
    items_planned: int
    num_bytes: int
    # of all files but the manifest


def export(
    root: str,
    run_id: str,
    *,
    fmt: str,
    out: str,
    endpoint_url: str = "",
    validation_share: float = 0.1,
    seed: int = 0,
    name: str | None = None,
) -> ExportReport:
    """Publish the run's rows as a dataset version at `out`, a directory or s3://bucket/prefix.

    `endpoint_url` serves whichever of `root` and `out` is on S3. `name`: for the card; the run and the format by default.
    UsageError for an unknown run or format, rows of a test split, nothing to export, or a place that holds something else.
    """
    find_format(fmt)
    settings = ExportSettings(format=fmt, name=name or f"{run_id} {fmt}", validation_share=validation_share, seed=seed)
    source, target = _place(root, endpoint_url, other=out), _place(out, endpoint_url, other=root)
    store = source.open()
    with tempfile.TemporaryDirectory(prefix="treeroll-export-") as scratch:
        folder = Path(scratch)
        content = _build(source, read_run(store, run_id), settings, folder)
        files = [file for group in content.data_files.values() for file in group] + [_card(content, folder)]
        created = publish(target.open(), files, folder=folder, manifest=manifest_bytes(content, files))
    return _report(content, files, uri=out, created=created)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    root: str
    endpoint_url: str

    def open(self) -> ObjectStore:
        return open_store(self.root, endpoint_url=self.endpoint_url)


def _place(root: str, endpoint_url: str, *, other: str) -> _Place:
    """The endpoint goes to places on S3; with none there it stays, and `open_store` refuses it."""
    if other.startswith("s3://") and not root.startswith("s3://"):
        endpoint_url = ""
    return _Place(root=root, endpoint_url=endpoint_url)


def _build(source: _Place, record: RunRecord, settings: ExportSettings, folder: Path) -> ExportContent:
    """Everything but the card and the manifest; data files are below `folder` afterwards."""
    store, made = source.open(), find_format(settings.format)
    markers = {marker.item_id: marker for marker in read_markers(store, record.run_id)}
    found = survey(source.root, record.run_id, made, items=markers, endpoint_url=source.endpoint_url)
    splits = assign_splits(found.tasks, validation_share=settings.validation_share, seed=settings.seed)
    rows = ItemRows(store, record.run_id, endpoint_url=source.endpoint_url)
    gathered = gather(_items(rows, record, markers), made, splits=splits, folder=folder, sizes=Sizes())
    row_hash = combined_hashes(markers.values())
    return ExportContent(
        format=made,
        settings=settings,
        record=record,
        content_hash=content_hash(row_hash),
        row_hash=row_hash,
        items_settled=len(markers),
        survey=found,
        num_duplicates=gathered.num_duplicates,
        splits=gathered.statistics,
        data_files=gathered.data_files,
    )


def _items(rows: ItemRows, record: RunRecord, markers: Mapping[str, Marker]) -> Iterator[SourceItem]:
    """In the order of the plan: that of the benchmark's tasks."""
    for planned in record.items:
        if planned.item_id in markers:
            briefing = record.briefing(planned.domain)
            yield read_item(rows, markers[planned.item_id], planned=planned, briefing=briefing)


def _card(content: ExportContent, folder: Path) -> ExportFile:
    (folder / CARD).write_text(card_text(content), encoding="utf-8")
    return described(folder / CARD, CARD, num_rows=None)


def _report(content: ExportContent, files: list[ExportFile], *, uri: str, created: bool) -> ExportReport:
    return ExportReport(
        name=content.settings.name,
        format=content.settings.format,
        uri=uri,
        created=created,
        rows={split: statistics.num_rows for split, statistics in content.splits.items()},
        tasks={split: statistics.num_tasks for split, statistics in content.splits.items()},
        left_out=content.survey.num_rows - content.survey.num_usable,
        duplicates=content.num_duplicates,
        items_settled=content.items_settled,
        items_planned=content.items_planned,
        num_bytes=sum(file.num_bytes for file in files),
    )
