"""Checking what critics said of a run afterwards: every batch of every scoring, recomputed from the bytes.

A batch takes each of its items up from where the batches before it left it, its parts hold one row for each draft that it covers,
no draft has two verdicts of one critic, and every verdict is about a step that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import polars as pl
import pyarrow as pa

from rollouts.errors import DataError
from storage.content_hash import combine, row_hash
from storage.objects import ObjectStore
from storage.parts import Part, file_schema, read_part, read_row_groups
from storage.schema import VERDICTS
from storage.scorings import Batch, batch_key, read_batches

_STEP = ["item_id", "episode_path", "step", "state_key", "action_key"]
# how a verdict names the step that it is about
_DRAFT = ["scorer", "item_id", "state_key", "action_key"]
_BATCH_ROWS = 1_000
# in Python at a time


@dataclass(slots=True)
class CheckedVerdicts:
    num_rows: int = 0
    problems: list[str] = field(default_factory=list)


def check_verdicts(store: ObjectStore, run_id: str, *, steps: Iterable[Part]) -> CheckedVerdicts:
    """`steps`: the run's live parts of that table, which somebody else checks. Memory: about 200 bytes a verdict or step."""
    checked, places = CheckedVerdicts(), [_places(file_schema(VERDICTS).empty_table())]
    covered: dict[tuple[str, str], int] = {}
    try:
        for batch in read_batches(store, run_id):
            checked.problems += _coverage(batch, covered)
            rows = _read(store, batch, checked.problems)
            if rows is not None:
                checked.num_rows += len(rows)
                checked.problems += _differences(batch, rows)
                places.append(_places(rows))
        if not checked.problems and len(places) > 1:
            checked.problems += _dangling(store, pl.concat(places), steps)
    except DataError as error:
        checked.problems.append(str(error))
    return checked


def _read(store: ObjectStore, batch: Batch, problems: list[str]) -> pa.Table | None:
    try:
        return pa.concat_tables([file_schema(VERDICTS).empty_table(), *(read_part(store, p) for p in batch.parts)])
    except DataError as error:
        problems.append(str(error))
        return None


def _places(rows: pa.Table) -> pl.DataFrame:
    return pl.DataFrame(rows.select(["scorer", *_STEP]))


def _coverage(batch: Batch, covered: dict[tuple[str, str], int]) -> Iterator[str]:
    """What is wrong between this batch and those before it."""
    for part in batch.covered:
        place = (batch.scorer, part.item_id)
        if part.first != covered.get(place, 0) or not part.first <= part.upto <= part.num_drafts:
            yield (
                f"batch {_key(batch)} covers drafts {part.first} to {part.upto} of {part.num_drafts} of item {part.item_id}, "
                f"of which {covered.get(place, 0)} are scored before it"
            )
        covered[place] = part.upto


def _differences(batch: Batch, rows: pa.Table) -> Iterator[str]:
    """What the batch promises and its rows do not hold."""
    promised = sum(part.upto - part.first for part in batch.covered)
    if len(rows) != promised:
        yield f"batch {_key(batch)} covers {promised} drafts, its parts hold {len(rows)} verdicts"
    found = combine(row_hash(VERDICTS, some.to_pylist()) for some in rows.to_batches(max_chunksize=_BATCH_ROWS))
    if found != batch.row_hash:
        yield f"batch {_key(batch)} promises row hash {batch.row_hash}, its rows have {found}"
    stamps = set(zip(rows["run_id"].to_pylist(), rows["scorer"].to_pylist(), strict=True))
    for run_id, scorer in sorted(stamps - {(batch.run_id, batch.scorer)}):
        yield f"batch {_key(batch)} publishes verdicts that are stamped run {run_id}, scorer {scorer}"


def _dangling(store: ObjectStore, verdicts: pl.DataFrame, steps: Iterable[Part]) -> Iterator[str]:
    doubled = verdicts.filter(pl.struct(_DRAFT).is_duplicated())
    for row in doubled.sort(_STEP).head(1).iter_rows(named=True):
        yield (
            f"{doubled.height} verdicts of {row['scorer']} are on drafts that have another one of it, such as "
            f"{row['episode_path']}.s{row['step']} of item {row['item_id']}"
        )
    pieces = [rows.select(_STEP) for part in steps for rows in read_row_groups(store, part)]
    there = pl.DataFrame(pa.concat_tables([file_schema("steps").empty_table().select(_STEP), *pieces]))
    for row in verdicts.join(there, on=_STEP, how="anti").sort(_STEP).iter_rows(named=True):
        yield (
            f"the verdict of {row['scorer']} on {row['episode_path']}.s{row['step']} of item {row['item_id']} is about a step "
            "that has no such row"
        )


def _key(batch: Batch) -> str:
    return batch_key(batch.run_id, batch.scorer, batch.number)
