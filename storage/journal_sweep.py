"""A run's journal between sessions: what settled trees left is removed, what unsettled ones paid for is counted.

Whatever unsettled items have answered is copied before the segments it was in are deleted, so a crash at any point leaves every
answer in the journal, some of them twice. Copies have keys made from their content: doing it again changes nothing. Workers may
write meanwhile: nothing is deleted that was not read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from rollouts.episode import Spend
from rollouts.meter import SpendCounter
from rollouts.protocols import Answer
from storage.calls import parse_place
from storage.journal_book import MERGED_BYTES
from storage.journal_files import put_segment, read_segments, segment_keys
from storage.journal_index import FoundBlocks, collect, first_answers, in_order
from storage.journal_segments import in_segments
from storage.layout import journal_prefix, segment_key
from storage.objects import ObjectStore

SWEPT = "0-swept"
# the writer of what is kept; before every worker, whose id begins with a letter: what earlier sessions were told counts first


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What was answered of one item that is not settled."""

    num_answers: int
    spend: Spend
    # of these answers; playing the item again gives them for nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSummary:
    items: Mapping[str, Remembered]
    # by item id; an item of which nothing was written is not there
    damaged: tuple[str, ...]
    # keys of segments that could not be read to their end; they stay until the journal is dropped

    @property
    def spend(self) -> Spend:
        """Of all items."""
        return sum((item.spend for item in self.items.values()), Spend())


def sweep_journal(store: ObjectStore, run_id: str, *, unsettled: Collection[str]) -> JournalSummary:
    """Keep what belongs to `unsettled` items, in few segments, and delete the rest. DataError or UsageError from the store."""
    wanted = frozenset(unsettled)
    kept: dict[str, FoundBlocks] = {}
    damaged: list[str] = []
    done: set[str] = set()
    while new := [key for key in segment_keys(store, run_id) if key not in done]:
        # listed until there is nothing new: a segment that vanished unread was merged by its writer into another
        for segment in read_segments(store, new):
            done.add(segment.key)
            damaged += [segment.key] if segment.is_damaged else []
            collect(segment, kept, is_wanted=wanted.__contains__)
    copies = _put_copies(store, run_id, kept, present=done)
    for key in sorted(done - copies - set(damaged)):
        store.delete(key)
    items = {item_id: _remembered(first_answers(kept[item_id])) for item_id in sorted(kept)}
    return JournalSummary(items=items, damaged=tuple(damaged))


def drop_journal(store: ObjectStore, run_id: str) -> None:
    """For a run that is complete. DataError or UsageError from the store."""
    for key in [info.key for info in store.list(journal_prefix(run_id))]:
        store.delete(key)


def _put_copies(
    store: ObjectStore, run_id: str, kept: Mapping[str, FoundBlocks], *, present: Collection[str]
) -> set[str]:
    """Keys of the segments that now hold everything kept; an item's blocks in the order in which they count."""
    keys = set()
    ordered = (block for item_id in sorted(kept) for block in in_order(kept[item_id]))
    for group in in_segments(ordered, max_bytes=MERGED_BYTES):
        digest = hashlib.sha256(b"".join(block.data for block in group)).hexdigest()
        key = segment_key(run_id, SWEPT, digest[:16])
        if key not in present:
            put_segment(store, key, group)
        keys.add(key)
    return keys


def _remembered(answers: Mapping[str, Answer]) -> Remembered:
    spending = SpendCounter()
    for place, answer in answers.items():
        spending.add(parse_place(place).role, answer.usage)
    return Remembered(num_answers=len(answers), spend=spending.spend())
