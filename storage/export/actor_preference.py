"""`actor-preference`: of two actions that the actor proposed in one state, the one whose value is surely higher.

The customary shape of preference data: `prompt`, `chosen`, `rejected` as conversations, and the tools (TRL's conversational
preference type with an explicit prompt). A pair rests on the evidence that a label needs to ask for a revision
(`labeling.preferences`).
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from labeling.labels import LabelRule
from labeling.preferences import preferences
from labeling.records import ActionValue, Preference
from rollouts.identity import digest
from storage.export.chat_shape import CHAT, TOOLS, answer_row, prompt_rows, text_length, tool_rows
from storage.export.formats import ExportRow, Format, added_column, place_columns, table_columns
from storage.export.source import SourceItem

_SCHEMA = pa.schema(
    [
        added_column("prompt", CHAT, "system: the actor's policy; then what it had seen"),
        added_column("chosen", CHAT, "the better action, as the assistant's turn"),
        added_column("rejected", CHAT, "the other"),
        added_column("tools", TOOLS, "the actor's tools as JSON Schemas"),
        added_column("chosen_n", pa.int32(), "plays behind the better action's value"),
        added_column("chosen_mean", pa.float64(), "that value"),
        added_column("rejected_n", pa.int32(), "plays behind the other's"),
        added_column("rejected_mean", pa.float64(), "that value"),
        added_column("margin", pa.float64(), "Q(chosen) - Q(rejected)"),
        added_column("margin_lower", pa.float64(), "of its interval"),
        added_column("margin_upper", pa.float64(), "of its interval"),
        *table_columns("labels", "run_id", "item_id", "domain", "task_id", "fork_path"),
        added_column(
            "chosen_index", pa.int32(), "index of the better action at the fork; 0 is the forked episode's own"
        ),
        added_column("rejected_index", pa.int32(), "likewise, of the other"),
        added_column("kind", pa.string(), "of the other: message, read, write, transfer or other"),
    ]
)

_USAGE = """\
TRL's `DPOTrainer` and `RewardTrainer` take the rows as they are; the tools go into the chat template. Arguments of tool calls are
objects (`datasets` 4.7 or later). A state with three actions may give up to three pairs, which share their prompt; `margin` weighs
or filters them."""


def _rows(item: SourceItem) -> Iterator[ExportRow]:
    if not item.labels:
        return
    rule = LabelRule(
        delta=item.labels[0].delta, approve_level=item.labels[0].gain_level, revise_level=item.labels[0].gain_level
    )
    tools = tool_rows(item.briefing)
    for found in preferences((value for values in item.forks.values() for value in values), rule):
        values = {value.action_index: value for value in item.forks[found.fork_path]}
        yield _row(item, found, values[found.chosen_index], values[found.rejected_index], tools)


def _row(item: SourceItem, found: Preference, better: ActionValue, worse: ActionValue, tools: list[str]) -> ExportRow:
    prompt = prompt_rows(item.briefing, item.question(better).conversation)
    chosen, rejected = answer_row(better.action), answer_row(worse.action)
    return ExportRow(
        identity=digest(*(repr(part).encode() for part in (prompt, chosen, rejected))),
        length=text_length([*prompt, chosen, rejected]),
        columns={
            "prompt": prompt,
            "chosen": [chosen],
            "rejected": [rejected],
            "tools": tools,
            "chosen_n": better.n,
            "chosen_mean": better.mean,
            "rejected_n": worse.n,
            "rejected_mean": worse.mean,
            "margin": found.gain_mean,
            "margin_lower": found.gain_lower,
            "margin_upper": found.gain_upper,
            **place_columns(item),
            "fork_path": found.fork_path,
            "chosen_index": found.chosen_index,
            "rejected_index": found.rejected_index,
            "kind": worse.kind,
        },
    )


ACTOR_PREFERENCE = Format(
    name="actor-preference",
    schema=_SCHEMA,
    rows=_rows,
    table="labels",
    usable=pl.col("label") == "revise",
    counted_by=("kind",),
    left_out="no sibling is surely better than the action",
    summary="A row is a state and two actions that one agent proposed there, of which one surely leads to success more often.",
    usage=_USAGE,
)
