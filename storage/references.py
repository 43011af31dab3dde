"""Whether rows fit together: every row that speaks of another one finds it, within its item.

    step → episode      branch → parent      value → step      label → value      episode → as many steps as it says

A problem is an item and a sentence. Only the columns that name places are looked at, about 100 bytes a row: those of a whole run
fit in memory where its rows do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import polars as pl

Frames: TypeAlias = Mapping[str, pl.LazyFrame]
# table → its rows, with the columns of PLACES at least

_ITEM = "item_id"
PLACES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "episodes": (_ITEM, "episode_path", "parent_path", "num_steps"),
        "steps": (_ITEM, "episode_path", "step", "step_path"),
        "values": (_ITEM, "episode_path", "step", "fork_path", "action_index"),
        "labels": (_ITEM, "fork_path", "action_index"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    table: str
    columns: tuple[str, ...]
    # what a row of it says of the other row
    to: str
    to_columns: tuple[str, ...]
    sentence: str


_REFERENCES = (
    _Reference(
        table="steps",
        columns=("episode_path",),
        to="episodes",
        to_columns=("episode_path",),
        sentence="the step {step_path} is of an episode that has no row",
    ),
    _Reference(
        table="episodes",
        columns=("parent_path",),
        to="episodes",
        to_columns=("episode_path",),
        sentence="the episode {episode_path} branched from an episode that has no row",
    ),
    _Reference(
        table="values",
        columns=("episode_path", "step"),
        to="steps",
        to_columns=("episode_path", "step"),
        sentence="the value at {fork_path}.a{action_index} is about a step that has no row",
    ),
    _Reference(
        table="labels",
        columns=("fork_path", "action_index"),
        to="values",
        to_columns=("fork_path", "action_index"),
        sentence="the label at {fork_path}.a{action_index} has no value",
    ),
)


def broken_references(frames: Frames) -> Iterator[tuple[str, str]]:
    """(item id, what is wrong) for every row that refers to a missing one, and every episode that misses steps."""
    for reference in _REFERENCES:
        for row in _dangling(frames, reference):
            yield str(row[_ITEM]), reference.sentence.format(**row)
    for row in _miscounted(frames):
        yield (
            str(row[_ITEM]),
            f"the episode {row['episode_path']} says it has {row['num_steps']} steps of its own, {row['found']} have a row",
        )


def _dangling(frames: Frames, reference: _Reference) -> list[dict[str, object]]:
    there = frames[reference.to].select(_ITEM, *reference.to_columns)
    speaking = frames[reference.table].filter(pl.all_horizontal(pl.col(reference.columns).is_not_null()))
    left, right = [_ITEM, *reference.columns], [_ITEM, *reference.to_columns]
    dangling = speaking.join(there, left_on=left, right_on=right, how="anti").select(PLACES[reference.table])
    return dangling.sort(pl.all()).collect().to_dicts()


def _miscounted(frames: Frames) -> list[dict[str, object]]:
    place = [_ITEM, "episode_path"]
    counted = frames["steps"].group_by(place).agg(found=pl.len())
    return (
        frames["episodes"]
        .select(*place, "num_steps")
        .join(counted, on=place, how="left")
        .with_columns(pl.col("found").fill_null(0))
        .filter(pl.col("num_steps") != pl.col("found"))
        .sort(place)
        .collect()
        .to_dicts()
    )
