"""Reading a run's tables. Markers and generations say which parts are rows; a listing of data files is never believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import polars as pl

from rollouts.episode import Conversation
from rollouts.errors import UsageError
from storage.conversations import ItemConversations
from storage.frames import open_files
from storage.item_rows import ItemRows
from storage.layout import partition_of
from storage.markers import Marker, read_marker
from storage.objects import MissingObject, ObjectStore, open_store
from storage.parts import Part
from storage.published import read_published
from storage.runs import list_runs, read_run
from storage.schema import SCHEMAS, VERDICTS
from storage.scorings import read_batches

Wanted: TypeAlias = str | Sequence[str] | None
# one value, one of several, or any


def live_parts(store: ObjectStore, run_id: str, table: str) -> list[Part]:
    """The table's published parts: those that items share first, then by item id. Of `verdicts`: by scoring and batch."""
    _check_table(table)
    if table == VERDICTS:
        return [part for batch in read_batches(store, run_id) for part in batch.parts]
    return read_published(store, run_id).parts([table])


def live_files(
    root: str,
    table: str,
    *,
    run_id: str | None = None,
    domain: Wanted = None,
    split: Wanted = None,
    endpoint_url: str = "",
) -> list[str]:
    """Where the table's published rows lie now, as paths or s3:// addresses: for tools that read Parquet themselves.

    Read them soon: what a later compaction supersedes may be removed a day after it. They carry every partition value as a column,
    so a tool must not take partitions from their paths as well.
    """
    _check_table(table)
    store = open_store(root, endpoint_url=endpoint_url)
    runs = list_runs(store) if run_id is None else [read_run(store, run_id).run_id]
    keys = [part.key for run in runs for part in live_parts(store, run, table)]
    return [store.uri(key) for key in keys if _is_wanted(key, domain=domain, split=split)]


def scan(
    root: str,
    table: str,
    *,
    run_id: str | None = None,
    domain: Wanted = None,
    split: Wanted = None,
    endpoint_url: str = "",
) -> pl.LazyFrame:
    """The table's published rows as a lazy frame with the schema's columns.

    Of one run or of all; of these domains and splits, or of all: files of others are not opened. Columns that a query does not use
    are not read, and filters on other columns skip what the files' statistics exclude.
    """
    files = live_files(root, table, run_id=run_id, domain=domain, split=split, endpoint_url=endpoint_url)
    return open_files(files, table, endpoint_url=endpoint_url)


def count_by(root: str, table: str, column: str, *, run_id: str, endpoint_url: str = "") -> dict[str, int]:
    """How many of a run's published rows have each value of a column, by value in ascending order; nulls are not counted."""
    rows = scan(root, table, run_id=run_id, endpoint_url=endpoint_url)
    counted = rows.drop_nulls(column).group_by(column).agg(pl.len()).sort(column).collect()
    return {str(value): int(count) for value, count in counted.iter_rows()}


def item_conversations(rows: ItemRows, marker: Marker) -> ItemConversations:
    """All conversations of a published item."""
    return ItemConversations(
        episodes=rows.read(marker, "episodes", columns=["episode_path", "opening"]).to_pylist(),
        steps=rows.read(marker, "steps", columns=["episode_path", "step", "added"]).to_pylist(),
    )


def conversation(
    root: str, run_id: str, episode_path: str, *, item_id: str, upto_step: int | None = None, endpoint_url: str = ""
) -> Conversation:
    """The full conversation of an episode before `upto_step`; None: to its end. UsageError names what does not exist.

    Reads the whole item; for many conversations use `item_conversations` with one `ItemRows`.
    """
    store = open_store(root, endpoint_url=endpoint_url)
    try:
        marker = read_marker(store, run_id, item_id)
    except MissingObject:
        raise UsageError(
            f"run {run_id!r} has no published item {item_id!r}; scan its episodes for the items there are"
        ) from None
    conversations = item_conversations(ItemRows(store, run_id, endpoint_url=endpoint_url), marker)
    return conversations.before(episode_path, conversations.num_steps(episode_path) if upto_step is None else upto_step)


def _is_wanted(key: str, *, domain: Wanted, split: Wanted) -> bool:
    partition = partition_of(key)
    return _matches(partition["domain"], domain) and _matches(partition["split"], split)


def _matches(value: str, wanted: Wanted) -> bool:
    return wanted is None or value == wanted or (not isinstance(wanted, str) and value in wanted)


def _check_table(table: str) -> None:
    if table not in SCHEMAS:
        raise UsageError(f"there is no table {table!r}; the tables are {', '.join(SCHEMAS)}")
