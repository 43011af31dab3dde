"""`prm-stepwise`: steps of an episode, each with whether it was right, for process supervision.

The customary shape: `prompt`, `completions`, `labels` (TRL's stepwise supervision type). Every step has to have a label, and steps
whose evidence decides nothing have none, so a row is a longest series of neighbouring steps that were decided; what came before is
its prompt. A label is about the step in its own state: a right step after a wrong one is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

import polars as pl
import pyarrow as pa

from labeling.quoting import quoted_line
from labeling.records import Label
from rollouts.episode import Conversation, seen_by_actor
from rollouts.identity import digest
from storage.export.chat_shape import ChatRow, prompt_rows, tool_rows
from storage.export.formats import ExportRow, Format, added_column, place_columns, table_columns
from storage.export.source import SourceItem

_SCHEMA = pa.schema(
    [
        added_column(
            "prompt",
            pa.string(),
            "policy, tools, and the conversation before the first step, one line of JSON a message",
        ),
        added_column(
            "completions", pa.list_(pa.string()), "for each step what the actor saw since the last one, and its action"
        ),
        added_column("labels", pa.list_(pa.bool_()), "for each step: approve (true) or revise (false)"),
        added_column("first_step", pa.int32(), "index of the first of these steps in its episode"),
        *table_columns("labels", "first_error", "episode_path", "labeler", "run_id", "item_id", "domain", "task_id"),
    ]
)

_USAGE = """\
The rows have TRL's stepwise supervision type; join `prompt` and `completions` by a separator, and take a step's label at the token
that ends it. (TRL 1.16 has no trainer for it any more; other libraries have.) `first_error` is the index in the episode of the
first step that the labels would have revised: to train on steps up to the first error only, keep
`completions[: first_error - first_step + 1]`."""


def _rows(item: SourceItem) -> Iterator[ExportRow]:
    own = [label for label in item.labels if label.action_index == 0 and label.label != "abstain"]
    own.sort(key=lambda label: (label.episode_path, label.step))
    numbered = enumerate(own)
    for _, series in groupby(numbered, key=lambda pair: (pair[1].episode_path, pair[1].step - pair[0])):
        yield _row(item, [label for _, label in series])


def _row(item: SourceItem, labels: Sequence[Label]) -> ExportRow:
    first = labels[0]
    before = item.conversations.before(first.episode_path, first.step)
    system, *messages = prompt_rows(item.briefing, before)
    prompt = "\n".join([system["content"], *tool_rows(item.briefing), *map(_line, messages)])
    completions = [_completion(item, label, is_first=label is first) for label in labels]
    right = [label.label == "approve" for label in labels]
    return ExportRow(
        identity=digest(prompt.encode(), *(text.encode() for text in completions), repr(right).encode()),
        length=len(prompt) + sum(map(len, completions)),
        columns={
            "prompt": prompt,
            "completions": completions,
            "labels": right,
            "first_step": first.step,
            "first_error": first.first_error,
            "episode_path": first.episode_path,
            "labeler": first.labeler,
            **place_columns(item),
        },
    )


def _completion(item: SourceItem, label: Label, *, is_first: bool) -> str:
    """The action, after what the actor saw since its last one; the first step's is in the prompt."""
    path, step = label.episode_path, label.step
    before = item.conversations.before(path, step)
    action = item.conversations.before(path, step + 1)[len(before) : len(before) + 1]
    seen: Conversation = () if is_first else before[len(item.conversations.before(path, step - 1)) + 1 :]
    return "\n".join(map(_line, prompt_rows(item.briefing, (*seen_by_actor(seen), *action))[1:]))


def _line(message: ChatRow) -> str:
    return quoted_line({name: cell for name, cell in message.items() if cell is not None})


PRM_STEPWISE = Format(
    name="prm-stepwise",
    schema=_SCHEMA,
    rows=_rows,
    table="labels",
    usable=pl.col("is_trunk_action") & (pl.col("label") != "abstain"),
    counted_by=("domain",),
    left_out="the label abstains, or is about an action that the episode did not take",
    summary="A row is a series of an agent's steps, each labelled right or wrong by what followed when it and its "
    "alternatives were played out.",
    usage=_USAGE,
)
