"""Reading a run's tables. Markers say which parts are rows; a listing of data files is never believed."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from rollouts.episode import Conversation
from rollouts.errors import UsageError
from storage.conversations import ItemConversations
from storage.markers import Marker, read_marker, read_markers
from storage.objects import MissingObject, ObjectStore, open_store
from storage.parts import Part, read_rows
from storage.runs import list_runs, read_run
from storage.schema import SCHEMAS, TABLES


def live_parts(store: ObjectStore, run_id: str, table: str) -> list[Part]:
    """The table's published parts, in order of item id."""
    _check_table(table)
    return [part for marker in read_markers(store, run_id) for part in marker.parts if part.table == table]


def scan(root: str, table: str, *, run_id: str | None = None, endpoint_url: str = "") -> pl.LazyFrame:
    """The table's published rows, of one run or of all, as a lazy frame with the schema's columns.

    Partition columns are ordinary columns inside the parts, so they keep their types and need no Hive parsing.
    """
    _check_table(table)
    store = open_store(root, endpoint_url=endpoint_url)
    runs = list_runs(store) if run_id is None else [read_run(store, run_id).run_id]
    uris = [store.uri(part.key) for run in runs for part in live_parts(store, run, table)]
    empty = pl.LazyFrame(schema=pl.Schema(SCHEMAS[table]))
    if not uris:
        return empty
    return pl.scan_parquet(
        uris,
        schema=empty.collect_schema(),
        hive_partitioning=False,
        glob=False,
        storage_options=_storage_options(endpoint_url) if root.startswith("s3://") else None,
    )


def count_by(root: str, table: str, column: str, *, run_id: str, endpoint_url: str = "") -> dict[str, int]:
    """How many of a run's published rows have each value of a column, by value in ascending order."""
    rows = scan(root, table, run_id=run_id, endpoint_url=endpoint_url)
    counted = rows.group_by(column).agg(pl.len()).sort(column).collect()
    return {str(value): int(count) for value, count in counted.iter_rows()}


def item_conversations(store: ObjectStore, marker: Marker) -> ItemConversations:
    """All conversations of a published item."""
    return ItemConversations(
        episodes=_rows(store, marker, "episodes"),
        steps=_rows(store, marker, "steps"),
    )


def conversation(
    root: str, run_id: str, episode_path: str, *, item_id: str, upto_step: int | None = None, endpoint_url: str = ""
) -> Conversation:
    """The full conversation of an episode before `upto_step`; None: to its end. UsageError names what does not exist.

    Reads the whole item; for many conversations of one item use `item_conversations` once.
    """
    store = open_store(root, endpoint_url=endpoint_url)
    try:
        marker = read_marker(store, run_id, item_id)
    except MissingObject:
        raise UsageError(
            f"run {run_id!r} has no published item {item_id!r}; scan its episodes for the items there are"
        ) from None
    conversations = item_conversations(store, marker)
    return conversations.before(episode_path, conversations.num_steps(episode_path) if upto_step is None else upto_step)


def _rows(store: ObjectStore, marker: Marker, table: str) -> Iterator[dict[str, object]]:
    for part in marker.parts:
        if part.table == table:
            yield from read_rows(store, part)


def _storage_options(endpoint_url: str) -> dict[str, str]:
    """What polars cannot learn from the AWS variables. Credentials it finds as boto3 does."""
    if not endpoint_url:
        return {}
    return {"aws_endpoint_url": endpoint_url, "aws_allow_http": str(endpoint_url.startswith("http://")).lower()}


def _check_table(table: str) -> None:
    if table not in SCHEMAS:
        raise UsageError(f"there is no table {table!r}; the tables are {', '.join(TABLES)}")
