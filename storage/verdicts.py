"""The table `verdicts`: what a critic said of recorded drafts, as rows, and these rows beside the labels of the same drafts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from labeling.agreement import JudgedLabel
from rollouts.episode import Failure, Usage
from rollouts.protocols import Judgement
from storage.commit import commit, part_files
from storage.content_hash import row_hash
from storage.drafts import RecordedDraft
from storage.messages import clean_text
from storage.objects import ObjectStore
from storage.reader import scan
from storage.rows import Row, verdict_cells
from storage.schema import VERDICTS
from storage.scorings import Batch, Covered, create_batch, verdicts_folder

_SHARED = "batch"
# stands in a part's key where others have an item

LABEL_KEYS = ["run_id", "item_id", "state_key", "action_key"]
# of a row of `labels` and of the verdict on the same draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """Of one critic on one run, added up."""

    drafts: int = 0
    approve: int = 0
    revise: int = 0
    unreadable: int = 0
    # answered, and not to be read
    failed: Mapping[str, int] = field(default_factory=dict)
    # kind of failure → drafts without an answer
    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    # None as soon as one is unknown


def verdict_row(draft: RecordedDraft, said: Judgement | Failure, usage: Usage, *, scorer: str) -> Row:
    """`usage`: of all that was asked about it."""
    row = {
        **draft.origin,
        "scorer": scorer,
        **draft.naming,
        "num_steps": draft.num_steps,
        **_said(said),
        "calls": usage.calls,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "cached_tokens": usage.cached_tokens,
        "cost_usd": None if usage.cost_usd is None else float(usage.cost_usd),
    }
    return {name: clean_text(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def _said(said: Judgement | Failure) -> Row:
    match said:
        case Judgement():
            score = None if said.score is None else float(said.score)
            return {**verdict_cells(said.verdict), "score": score, "failure_kind": None, "failure_message": None}
        case Failure():
            failed = {"failure_kind": said.kind.value, "failure_message": said.message}
            return {**verdict_cells(None), "score": None, **failed}


def publish_batch(
    store: ObjectStore,
    rows: Sequence[Row],
    *,
    run_id: str,
    scorer: str,
    number: int,
    covered: Sequence[Covered],
    clock: Callable[[], float] = time.time,
) -> bool:
    """Publish the rows, all or none of them. False: another process has published a batch of that number."""
    files = list(part_files(VERDICTS, rows, folder=lambda row: verdicts_folder(row, scorer), name=_SHARED))
    batch = Batch(
        run_id=run_id,
        scorer=scorer,
        number=number,
        covered=tuple(covered),
        parts=tuple(part for part, _ in files),
        row_hash=row_hash(VERDICTS, rows),
    )
    return commit(store, files, lambda: create_batch(store, batch), clock=clock)


# -- read -------------------------------------------------------------------------------------------------------------


def read_verdicts(root: str, run_id: str, *, scorer: str, endpoint_url: str = "") -> Verdicts:
    """What is published of the scoring, added up without holding its rows."""
    rows = _scored(root, run_id, scorer, endpoint_url)
    told = rows.select(
        drafts=pl.len(),
        approve=(pl.col("verdict") == "approve").sum(),
        revise=(pl.col("verdict") == "revise").sum(),
        unreadable=(pl.col("verdict").is_null() & pl.col("failure_kind").is_null()).sum(),
        calls=pl.col("calls").sum(),
        prompt_tokens=pl.col("prompt_tokens").sum(),
        cached_tokens=pl.col("cached_tokens").sum(),
        completion_tokens=pl.col("completion_tokens").sum(),
        cost_usd=pl.when(pl.col("cost_usd").is_null().any()).then(None).otherwise(pl.col("cost_usd").sum()),
    )
    failed = rows.drop_nulls("failure_kind").group_by("failure_kind").agg(pl.len()).sort("failure_kind")
    return Verdicts(**told.collect().row(0, named=True), failed=dict(failed.collect().iter_rows()))


def read_judged_labels(root: str, run_id: str, *, scorer: str, endpoint_url: str = "") -> dict[str, list[JudgedLabel]]:
    """Labeler → its labels of the run, in one order whatever the order of rows, each with the critic's word on that draft."""
    said = _scored(root, run_id, scorer, endpoint_url).select(*LABEL_KEYS, "verdict", "score", "failure_kind")
    labels = scan(root, "labels", run_id=run_id, endpoint_url=endpoint_url)
    place = ("task_id", "item_id", "fork_path", "action_index")
    labels = labels.select("labeler", *place, "run_id", "state_key", "action_key", "label")
    rows = labels.join(said, on=LABEL_KEYS, how="inner").sort("labeler", *place).collect()
    found: dict[str, list[JudgedLabel]] = {}
    for row in rows.iter_rows(named=True):
        found.setdefault(row["labeler"], []).append(
            JudgedLabel(
                task_id=row["task_id"],
                label=row["label"],
                verdict=row["verdict"],
                score=row["score"],
                answered=row["failure_kind"] is None,
            )
        )
    return found


def _scored(root: str, run_id: str, scorer: str, endpoint_url: str) -> pl.LazyFrame:
    rows = scan(root, VERDICTS, run_id=run_id, endpoint_url=endpoint_url)
    return rows.filter(pl.col("scorer") == scorer)
