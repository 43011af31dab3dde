"""Publishing a finished tree: its parts first, then the one marker that makes them count.

    PLAYED → parts put (nobody reads them) → marker created (conditional put) → PUBLISHED

- A crash before the marker leaves parts that no reader ever sees; the next attempt puts its own.
- A part's key holds the hash of its bytes. Writing the same rows again overwrites the parts with the same bytes; a racing
  writer whose rows differ (two plays of one item differ in `duration_s`) writes *other* keys, so it can never change what
  the winner's marker published. Without the hash in the key it would.
- A writer that was held up for longer than COMMIT_DEADLINE_S between its parts and its marker (a suspended machine) puts its parts
  again after the marker: until then the collector of garbage may have taken them for nobody's (storage.collect).
- Of racing writers the marker's creator wins. The loser returns the winner's receipt, and its parts stay unread.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

from labeling.records import ActionValue, Conclusions, Label
from rollouts.episode import Failure, Finished
from rollouts.receipt import Progress, Receipt
from rollouts.tree import Tree
from storage.content_hash import row_hash
from storage.layout import marker_key, part_folder, part_key
from storage.markers import COMMIT_DEADLINE_S, Marker, marker_to_bytes, read_marker
from storage.objects import MissingObject, ObjectStore
from storage.parts import Part, encode_rows
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

    def write(self, tree: Tree) -> Receipt:
        item_id = tree.item.item_id
        try:
            # a worker that wakes after its work was redone by another writes nothing at all
            return read_marker(self.store, self.stamp.run_id, item_id).receipt
        except MissingObject:
            pass
        tables = tree_tables(tree, *Conclusions(*self.labelling(tree)), self.stamp)
        began = self.clock()
        files = [file for table, rows in tables.items() for file in _files(table, rows, item_id)]
        self._put(files)
        marker = Marker(
            item_id=item_id,
            run_id=self.stamp.run_id,
            schema_version=SCHEMA_VERSION,
            parts=tuple(part for part, _ in files),
            row_hash={table: row_hash(table, rows) for table, rows in tables.items()},
            progress=progress_of(tree),
            early_stop=tree.early_stop,
        )
        if self.store.put_if_absent(marker_key(self.stamp.run_id, item_id), marker_to_bytes(marker)):
            if self.clock() - began > COMMIT_DEADLINE_S:
                self._put(files)
            return marker.receipt
        return read_marker(self.store, self.stamp.run_id, item_id).receipt

    def _put(self, files: Sequence[tuple[Part, bytes]]) -> None:
        for part, data in files:
            self.store.put(part.key, data)


def _files(table: str, rows: Sequence[Row], item_id: str) -> Iterator[tuple[Part, bytes]]:
    """One part for each partition that has rows."""
    columns = _PARTITIONS.get(table, _DEFAULT_PARTITIONS)
    place = itemgetter(*columns)
    for values, members in groupby(sorted(rows, key=place), place):
        folder = part_folder(
            table, tuple((_FOLDER_NAMES.get(name, name), value) for name, value in zip(columns, values, strict=True))
        )
        filed = list(members)
        data = encode_rows(table, filed)
        sha256 = hashlib.sha256(data).hexdigest()
        part = Part(
            table=table, key=part_key(folder, item_id, sha256), sha256=sha256, num_bytes=len(data), num_rows=len(filed)
        )
        yield part, data


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
