"""`critic-kto`: critiques that helped, and critiques that did harm, by what the actor made of them.

The customary shape of unpaired preferences: `prompt`, `completion`, `label` (TRL's conversational type for KTO). A critique is
desirable when delivering it surely led to success more often than executing the draft it objects to, from the same state.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pyarrow as pa

from labeling.rubric import RUBRIC_VERSION, critic_messages, render_verdict
from storage.export.formats import (
    MESSAGES,
    ExportRow,
    Format,
    added_column,
    identity,
    length_of,
    place_columns,
    table_columns,
)
from storage.export.source import SourceItem

_EVIDENCE = ("delivered_n", "executed_n", "num_pairs", "uplift_mean", "uplift_lower", "uplift_upper", "level", "worth")

_SCHEMA = pa.schema(
    [
        added_column("prompt", MESSAGES, "system and user: the critic's question"),
        added_column("completion", MESSAGES, "assistant: the verdict that the critic gave, as JSON"),
        added_column("label", pa.bool_(), "helpful (true) or harmful (false)"),
        *table_columns("critiques", *_EVIDENCE, "labeler", "critic"),
        added_column("rubric_version", pa.string(), "version of the question's wording"),
        *table_columns("critiques", "run_id", "item_id", "domain", "task_id", "fork_path", "action_index", "kind"),
    ]
)

_USAGE = """\
TRL's `KTOTrainer` takes the rows as they are. Weigh the two sides by their numbers (see above): `desirable_weight`,
`undesirable_weight`. `critic` is who said it: KTO expects completions of the model that is trained, or of one like it."""


def _rows(item: SourceItem) -> Iterator[ExportRow]:
    for critique in item.critiques:
        if critique.verdict is None or critique.worth not in ("helpful", "harmful"):
            continue
        prompt = critic_messages(item.question(critique))
        completion = [{"role": "assistant", "content": render_verdict(critique.verdict)}]
        yield ExportRow(
            identity=identity([*prompt, *completion], critique.worth),
            length=length_of([*prompt, *completion]),
            columns={
                "prompt": prompt,
                "completion": completion,
                "label": critique.worth == "helpful",
                **{name: getattr(critique, name) for name in _EVIDENCE},
                "labeler": critique.labeler,
                "critic": item.critic,
                "rubric_version": RUBRIC_VERSION,
                **place_columns(item),
                "fork_path": critique.fork_path,
                "action_index": critique.action_index,
                "kind": critique.kind,
            },
        )


CRITIC_KTO = Format(
    name="critic-kto",
    schema=_SCHEMA,
    rows=_rows,
    table="critiques",
    usable=pl.col("worth").is_in(["helpful", "harmful"]),
    counted_by=("worth",),
    left_out="the critic approved, or what its critique was worth is not decided",
    summary="A row is one critique of a draft action, and whether delivering it helped the agent or did harm.",
    usage=_USAGE,
)
