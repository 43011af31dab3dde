"""Runs with something published, and what a reader makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from storage.content_hash import content_hash
from storage.markers import combined_hashes, read_markers
from storage.objects import ObjectStore
from storage.parts import read_rows
from storage.reader import live_parts
from storage.runs import create_run
from storage.schema import TABLES
from storage.writer import ParquetSink
from tests.storage.trees import STAMP, labelling, run_record, sample_tree, work_item


def publish(
    store: ObjectStore, *, items: range, planned: int = 8, run_id: str = "run-1", domain: str = "retail"
) -> None:
    """Publish these of the run's planned items."""
    create_run(store, run_record(planned, run_id=run_id))
    sink = ParquetSink(store, replace(STAMP, run_id=run_id), labelling)
    for index in items:
        sink.write(sample_tree(work_item(index, domain=domain)))


@dataclass(frozen=True, slots=True)
class Seen:
    """What a reader finds: table → its rows, in an order of their own, and the hash that the markers promise."""

    rows: dict[str, list[str]]
    content_hash: str


def seen(store: ObjectStore, run_id: str = "run-1") -> Seen:
    rows = {
        table: sorted(repr(row) for part in live_parts(store, run_id, table) for row in read_rows(store, part))
        for table in TABLES
    }
    return Seen(rows, content_hash(combined_hashes(read_markers(store, run_id))))
