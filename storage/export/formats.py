"""What an export format is: one file that makes a `Format`, and one line in `storage.export.registry`.

A format's columns come from the tables' schema wherever a table has them, so that a column means the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from rollouts.identity import digest
from storage.export.source import SourceItem
from storage.schema import SCHEMAS

MESSAGES = pa.list_(
    pa.struct([pa.field("role", pa.string(), nullable=False), pa.field("content", pa.string(), nullable=False)])
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRow:
    identity: bytes
    # rows of one identity say the same; the first is kept
    columns: Mapping[str, object]
    length: int
    # characters of what a model reads and writes


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    name: str
    schema: pa.Schema
    rows: Callable[[SourceItem], Iterator[ExportRow]]
    # of one item, in path order; only where `usable` admits rows of the table, and then at least one
    table: str
    # the table of which a row may become an example
    usable: pl.Expr
    counted_by: tuple[str, ...]
    # columns of the table by which the card counts its rows
    left_out: str
    # why a row is not usable, for the card
    summary: str
    # what a row is, for the card
    usage: str
    # how to train on it, for the card: Markdown


def added_column(name: str, kind: pa.DataType, meaning: str, *, nullable: bool = False) -> pa.Field[pa.DataType]:
    """A column that no table has."""
    return pa.field(name, kind, nullable=nullable, metadata={"meaning": meaning})


def table_columns(table: str, *names: str) -> list[pa.Field[pa.DataType]]:
    """Columns as the table has them: type and meaning."""
    return [SCHEMAS[table].field(name) for name in names]


def messages_column(meaning: str) -> pa.Field[pa.DataType]:
    return added_column("messages", MESSAGES, meaning)


def identity(messages: Sequence[Mapping[str, str]], *answer: object) -> bytes:
    """Of the prompt and what is claimed about it."""
    texts = [text for message in messages for text in (message["role"], message["content"])]
    return digest(*(text.encode() for text in texts), *(repr(part).encode() for part in answer))


def length_of(messages: Sequence[Mapping[str, str]]) -> int:
    return sum(len(message["content"]) for message in messages)


def place_columns(item: SourceItem) -> dict[str, object]:
    """Where a row comes from: in every format."""
    return {
        "run_id": item.run_id,
        "item_id": item.planned.item_id,
        "domain": item.planned.domain,
        "task_id": item.planned.task_id,
    }
