"""Publishing a finished tree: its rows in their partitions, under one marker (storage.commit)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from typing import TypeAlias

from labeling.records import ActionValue, Conclusions, Label
from rollouts.episode import Failure, Finished
from rollouts.protocols import Publish
from rollouts.receipt import Progress, Receipt
from rollouts.tree import Tree
from storage.commit import PartFile, commit, part_files
from storage.content_hash import row_hash
from storage.layout import part_folder
from storage.markers import Marker, create_marker, read_marker
from storage.objects import MissingObject, ObjectStore
from storage.rows import Row, RunStamp, tree_tables
from storage.schema import SCHEMA_VERSION

Labelling: TypeAlias = Callable[[Tree], Conclusions | tuple[Sequence[ActionValue], Sequence[Label]]]
# what the finished tree says of its actions; must be pure, or a retry would not overwrite itself

_PARTITIONS = {"labels": ("domain", "split", "run_id", "labeler")}
_DEFAULT_PARTITIONS = ("domain", "split", "run_id")
_FOLDER_NAMES = {"run_id": "run"}
# a column is filed under its own name but for this one


@dataclass(frozen=True, slots=True)
class ParquetSink:
    """`rollouts.protocols.TreeSink` on an object store."""

    store: ObjectStore
    stamp: RunStamp
    labelling: Labelling
    clock: Callable[[], float] = time.time
    # seconds; goes on while the machine is suspended

    def prepare(self, tree: Tree) -> Publish:
        tables = tree_tables(tree, *Conclusions(*self.labelling(tree)), self.stamp)
        files = [
            file
            for table, rows in tables.items()
            for file in part_files(table, rows, folder=_folder(table), name=tree.item.item_id)
        ]
        marker = Marker(
            item_id=tree.item.item_id,
            run_id=self.stamp.run_id,
            schema_version=SCHEMA_VERSION,
            parts=tuple(part for part, _ in files),
            row_hash={table: row_hash(table, rows) for table, rows in tables.items()},
            progress=progress_of(tree),
            early_stop=tree.early_stop,
        )
        return partial(self._publish, marker, files)

    def write(self, tree: Tree) -> Receipt:
        """Both stages, one after the other."""
        return self.prepare(tree)()

    def _publish(self, marker: Marker, files: Sequence[PartFile]) -> Receipt:
        try:
            # a worker that wakes after its work was redone by another writes nothing at all
            return read_marker(self.store, marker.run_id, marker.item_id).receipt
        except MissingObject:
            pass
        if commit(self.store, files, lambda: create_marker(self.store, marker), clock=self.clock):
            return marker.receipt
        return read_marker(self.store, marker.run_id, marker.item_id).receipt


def _folder(table: str) -> Callable[[Row], str]:
    columns = _PARTITIONS.get(table, _DEFAULT_PARTITIONS)
    names, cells = [_FOLDER_NAMES.get(column, column) for column in columns], itemgetter(*columns)
    return lambda row: part_folder(table, tuple(zip(names, map(str, cells(row)), strict=True)))


def progress_of(tree: Tree) -> Progress:
    """The tree's totals, nothing being in flight."""
    outcomes = [episode.outcome for episode in tree.episodes.values()]
    finished = [outcome for outcome in outcomes if isinstance(outcome, Finished)]
    return Progress(
        episodes_planned=len(outcomes),
        episodes_settled=len(finished),
        episodes_failed=sum(isinstance(outcome, Failure) for outcome in outcomes),
        successes=sum(outcome.reward is not None and outcome.reward.value == 1 for outcome in finished),
        forks=len(tree.forks),
        steps=sum(len(episode.steps) for episode in tree.episodes.values()),
        spend=tree.spend,
    )
