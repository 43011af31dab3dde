"""Commits per second: eight processes, fifty commits each, one S3-protocol server; ours against Delta's in the same run.

The same rows, those of one table, are committed in both ways: ours puts a part and creates its marker, Delta's appends, made safe
to repeat by an application transaction. Whole trees are measured too: all tables of ours and one marker. Delta cannot commit
several tables at once.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from labeling.records import Conclusions
from rollouts.receipt import Progress
from storage.content_hash import NO_ROWS
from storage.frames import open_files
from storage.layout import part_folder
from storage.markers import Marker, create_marker
from storage.objects import ObjectStore, open_store
from storage.parts import encode_rows, part_of, part_writer
from storage.reader import scan
from storage.rows import tree_tables
from storage.runs import create_run
from storage.schema import SCHEMA_VERSION, TABLES
from storage.writer import ParquetSink
from tests.s3_server import S3Server, running_s3_server
from tests.storage.trees import STAMP, labelling, run_record, sample_tree, work_item

WRITERS, COMMITS = 8, 50
BARRIER_S = 120.0
Committer: TypeAlias = Callable[[str, str, int, Barrier], tuple[float, float]]
# (root, endpoint, number of the writer, start) → when it began and when it ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    per_s: float
    lost: int
    doubled: int


def ours(root: str, endpoint_url: str, number: int, start: Barrier) -> tuple[float, float]:
    store = open_store(root, endpoint_url=endpoint_url)
    batches = [(work_item(index).item_id, _steps(index)) for index in _items(number)]
    start.wait(BARRIER_S)
    began = time.monotonic()
    for item_id, rows in batches:
        _publish(store, item_id, rows)
    return began, time.monotonic()


def _publish(store: ObjectStore, item_id: str, rows: pa.Table) -> None:
    sink = io.BytesIO()
    with part_writer("steps", sink) as writer:
        writer.write_table(rows)
    data, folder = sink.getvalue(), part_folder("steps", (("domain", "retail"), ("split", "train"), ("run", "run-1")))
    part = part_of("steps", folder, item_id, data, num_rows=len(rows))
    store.put(part.key, data)
    marker = Marker(
        item_id=item_id,
        run_id=STAMP.run_id,
        schema_version=SCHEMA_VERSION,
        parts=(part,),
        row_hash=dict.fromkeys(TABLES, NO_ROWS),
        progress=Progress(),
        early_stop=False,
    )
    assert create_marker(store, marker), "somebody else was quicker"


def whole_trees(root: str, endpoint_url: str, number: int, start: Barrier) -> tuple[float, float]:
    sink = ParquetSink(open_store(root, endpoint_url=endpoint_url), STAMP, labelling)
    trees = [sample_tree(work_item(index)) for index in _items(number)]
    start.wait(BARRIER_S)
    began = time.monotonic()
    for tree in trees:
        sink.write(tree)
    return began, time.monotonic()


def delta(root: str, endpoint_url: str, number: int, start: Barrier) -> tuple[float, float]:
    from deltalake import CommitProperties, Transaction, write_deltalake

    batches = [_steps(index) for index in _items(number)]
    options = _delta_options(endpoint_url)
    start.wait(BARRIER_S)
    began = time.monotonic()
    for version, rows in enumerate(batches):
        once = CommitProperties(app_transactions=[Transaction(f"writer-{number}", version)], max_commit_retries=1000)
        write_deltalake(root, rows, mode="append", storage_options=options, commit_properties=once)
    return began, time.monotonic()


def measure_ours(committer: Committer = ours) -> Committed:
    with tempfile.TemporaryDirectory() as folder, running_s3_server(Path(folder, "s3")) as server:
        os.environ.update(server.environment)
        root = f"s3://{server.bucket}/ours"
        store = open_store(root, endpoint_url=server.endpoint_url)
        create_run(store, run_record(WRITERS * COMMITS))
        per_s = _race(committer, root, server)
        return _counted(per_s, scan(root, "steps", endpoint_url=server.endpoint_url))


def measure_delta() -> Committed:
    from deltalake import DeltaTable

    with tempfile.TemporaryDirectory() as folder, running_s3_server(Path(folder, "s3")) as server:
        os.environ.update(server.environment)
        root = f"s3://{server.bucket}/delta"
        options = _delta_options(server.endpoint_url)
        DeltaTable.create(root, schema=_steps(0).schema, storage_options=options)
        per_s = _race(delta, root, server)
        files = DeltaTable(root, storage_options=options).file_uris()
        return _counted(per_s, open_files(files, "steps", endpoint_url=server.endpoint_url))


def _race(committer: Committer, root: str, server: S3Server) -> float:
    """Commits per second from the first start to the last end."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, context.Pool(WRITERS) as pool:
        start: Any = manager.Barrier(WRITERS)
        arguments = [(root, server.endpoint_url, number, start) for number in range(WRITERS)]
        times = pool.starmap(committer, arguments, chunksize=1)
    return WRITERS * COMMITS / (max(end for _, end in times) - min(began for began, _ in times))


def _items(number: int) -> range:
    return range(number * COMMITS, (number + 1) * COMMITS)


def _steps(index: int) -> pa.Table:
    tree = sample_tree(work_item(index))
    rows = tree_tables(tree, *Conclusions(*labelling(tree)), STAMP)["steps"]
    return pq.ParquetFile(io.BytesIO(encode_rows("steps", rows))).read()


def _delta_options(endpoint_url: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": endpoint_url, "AWS_ALLOW_HTTP": "true", "conditional_put": "etag"}


def _counted(per_s: float, rows: pl.LazyFrame) -> Committed:
    expected = len(_steps(0))
    counts = rows.group_by("item_id").agg(pl.len()).collect()["len"].to_list()
    return Committed(
        per_s=per_s,
        lost=expected * WRITERS * COMMITS - sum(min(count, expected) for count in counts),
        doubled=sum(max(0, count - expected) for count in counts),
    )
