"""`critic-sft`: the critic's question and the answer it should have given, as conversations for supervised fine-tuning.

One dataset type and no second one beside it: TRL takes `messages` or `prompt` with `completion`, and refuses rows that have both
where it applies a chat template. The card says how to turn one into the other.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from labeling.examples import critic_example
from labeling.rubric import RUBRIC_VERSION
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

_SCHEMA = pa.schema(
    [
        messages_column("system and user: the critic's question; assistant: the verdict as JSON"),
        *table_columns("labels", "label", "reason"),
        *table_columns("values", "n", "mean"),
        *table_columns("labels", "gain_mean"),
        added_column("feedback_source", pa.string(), "how the feedback was made; null for an approval", nullable=True),
        *table_columns("labels", "labeler", "consensus"),
        added_column("rubric_version", pa.string(), "version of the question's wording"),
        *table_columns("labels", "run_id", "item_id", "domain", "task_id", "fork_path", "action_index", "kind"),
    ]
)

_USAGE = """\
TRL's `SFTTrainer` takes the rows as they are, and then computes the loss on the question as well, which is nearly all of the text.
To train on the verdicts only, split each conversation:

```python
from trl import SFTConfig, SFTTrainer

pairs = dataset.map(
    lambda row: {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}, remove_columns=["messages"]
)
trainer = SFTTrainer("a/base-model", args=SFTConfig(max_length=None), train_dataset=pairs["train"])
```

`max_length` must have room for the longest question (see above): where it has not, the verdict is what is cut off.

`consensus` says whether the critic that took part agreed with the label. Where it agrees, two independent sources stand behind it
(`dataset.filter(lambda row: row["consensus"] == "agree")`); where it disagrees, one of them is wrong, and that is what a critic has
to learn, or what to look at."""


def _rows(item: SourceItem) -> Iterator[ExportRow]:
    for label in item.labels:
        siblings = item.forks[label.fork_path]
        value = next(sibling for sibling in siblings if sibling.action_index == label.action_index)
        example = critic_example(item.question(value), label, siblings)
        if example is None:
            continue
        yield ExportRow(
            identity=identity(example.messages[:-1], label.label),
            length=length_of(example.messages),
            columns={
                "messages": list(example.messages),
                "label": label.label,
                "reason": label.reason,
                "n": value.n,
                "mean": value.mean,
                "gain_mean": label.gain_mean,
                "feedback_source": example.feedback_source,
                "labeler": label.labeler,
                "consensus": label.consensus,
                "rubric_version": RUBRIC_VERSION,
                **place_columns(item),
                "fork_path": label.fork_path,
                "action_index": label.action_index,
                "kind": value.kind,
            },
        )


CRITIC_SFT = Format(
    name="critic-sft",
    schema=_SCHEMA,
    rows=_rows,
    table="labels",
    usable=pl.col("label") != "abstain",
    counted_by=("label", "reason"),
    left_out="the label abstains: the evidence decides nothing about the action",
    summary="A row is one draft action of an agent with the verdict that a critic should have given: approve, or revise "
    "with feedback.",
    usage=_USAGE,
)
