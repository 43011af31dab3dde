"""`values`: the critic's question and the measured value of the action it asks about, for value regression."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from labeling.rubric import RUBRIC_VERSION, action_record, critic_messages
from storage.export.formats import (
    ExportRow,
    Format,
    added_column,
    identity,
    length_of,
    messages_column,
    place_columns,
    table_columns,
)
from storage.export.source import SourceItem
from storage.messages import dump_json

_EVIDENCE = ("n", "successes", "failures", "mean", "lower", "upper", "level", "origin", "stop_reason")
_DRAWS = ("multiplicity", "draws")
_PLACE = ("fork_path", "action_index", "kind")

_SCHEMA = pa.schema(
    [
        messages_column("system and user: policy, tools, conversation and the action, as a critic is asked"),
        added_column("action", pa.string(), "JSON: the action alone, as in the question"),
        *table_columns("values", *_EVIDENCE, "is_trunk_action", *_DRAWS),
        added_column("rubric_version", pa.string(), "version of the question's wording"),
        *table_columns("values", "run_id", "item_id", "domain", "task_id", *_PLACE),
    ]
)

_USAGE = """\
`mean` estimates the expected return after the action, in [0, 1], from `n` plays. Weight a row by its evidence: with binary returns
the likelihood is that of `successes` in `n` trials. `lower` and `upper` bound the value with coverage `level`. The interval of few
plays is wide: a mean of 1.0 from 4 plays is no certainty."""


def _rows(item: SourceItem) -> Iterator[ExportRow]:
    for value in (value for values in item.forks.values() for value in values):
        if not value.n:
            continue
        messages = critic_messages(item.question(value))
        yield ExportRow(
            identity=identity(messages, value.n, value.successes),
            length=length_of(messages),
            columns={
                **{name: getattr(value, name) for name in (*_EVIDENCE, *_DRAWS, *_PLACE)},
                "messages": messages,
                "action": dump_json(action_record(value.action)),
                "is_trunk_action": value.action_index == 0,
                "rubric_version": RUBRIC_VERSION,
                **place_columns(item),
            },
        )


VALUES = Format(
    name="values",
    schema=_SCHEMA,
    rows=_rows,
    table="values",
    usable=pl.col("n") > 0,
    counted_by=("kind", "origin"),
    left_out="no play of the action has a known return",
    summary="A row is one action that an agent could take in one state, and the return that followed when it was played out.",
    usage=_USAGE,
)
