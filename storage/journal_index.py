"""What a run's journal holds, by item, in memory and still packed. Safe to share between threads.

Other workers' segments and those of earlier sessions are in it too. Each segment is read once, when an item is first asked for
after it was written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container
from threading import Lock
from typing import TypeAlias

from rollouts.protocols import Answer
from storage.journal_files import StoredSegment, read_segments, segment_keys
from storage.journal_segments import Block, unpack_block
from storage.objects import ObjectStore

_log = logging.getLogger(__name__)

FoundBlocks: TypeAlias = dict[Block, tuple[str, int]]
# each block once (copies are equal), and the first place where it is: segment, position

LISTINGS = 10
# a segment that vanishes between listing and reading was merged by its writer, and its blocks are in a new one: list again


class JournalIndex:
    def __init__(self, store: ObjectStore, run_id: str, *, unneeded: Container[str]) -> None:
        """`unneeded`: items that are not worth remembering; it may grow."""
        self._store = store
        self._run_id = run_id
        self._unneeded = unneeded
        self._read: set[str] = set()
        self._blocks: dict[str, FoundBlocks] = {}
        self._reading = Lock()

    def blocks(self, item_id: str) -> FoundBlocks:
        """The item's. Blocking; DataError or UsageError from the store."""
        with self._reading:
            self._refresh()
            return dict(self._blocks.get(item_id, {}))

    def forget(self, item_id: str) -> None:
        """Never waits."""
        self._blocks.pop(item_id, None)

    def _refresh(self) -> None:
        for _ in range(LISTINGS):
            keys = segment_keys(self._store, self._run_id)
            new = [key for key in keys if key not in self._read]
            self._read.intersection_update(keys)
            if not self._load(new):
                return

    def _load(self, keys: list[str]) -> bool:
        """Whether one of them was gone."""
        missed = False
        for segment in read_segments(self._store, keys):
            missed |= segment.content is None
            collect(segment, self._blocks, is_wanted=lambda item_id: item_id not in self._unneeded)
            self._read.add(segment.key)
        return missed


def collect(segment: StoredSegment, found: dict[str, FoundBlocks], *, is_wanted: Callable[[str], bool]) -> None:
    """Add the segment's blocks to those of their items."""
    for position, block in enumerate(segment.blocks):
        if is_wanted(block.item_id):
            copies = found.setdefault(block.item_id, {})
            here = (segment.key, position)
            copies[block] = min(here, copies.get(block, here))


def in_order(found: FoundBlocks) -> list[Block]:
    """As they count: of two answers at one place, the first."""
    return sorted(found, key=found.__getitem__)


def first_answers(found: FoundBlocks) -> dict[str, Answer]:
    """Place → answer, the same whoever reads."""
    answers: dict[str, Answer] = {}
    for block in in_order(found):
        try:
            placed = unpack_block(block)
        except ValueError as error:
            segment = found[block][0]
            _log.warning(
                "journal segment %s: %s; these %d calls will be paid for again", segment, error, block.num_answers
            )
            continue
        for place, answer in placed:
            answers.setdefault(place, answer)
    return answers
