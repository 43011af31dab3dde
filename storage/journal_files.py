"""A run's journal as objects: listed, read and put. A segment is never changed, so what was read once need not be read again."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from storage.journal_segments import Block, Segment, read_segment
from storage.layout import journal_prefix
from storage.objects import MissingObject, ObjectStore

_log = logging.getLogger(__name__)

READERS = 16
# requests under way; also how many segments are in memory at once


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    key: str
    content: Segment | None
    # None: it is not there any more

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.content.blocks if self.content else ()

    @property
    def is_damaged(self) -> bool:
        return self.content is not None and self.content.lost_bytes > 0


def segment_keys(store: ObjectStore, run_id: str) -> list[str]:
    """In the order in which answers count: of two at one place, the first."""
    return sorted(info.key for info in store.list(journal_prefix(run_id)))


def read_segments(store: ObjectStore, keys: Sequence[str]) -> Iterator[StoredSegment]:
    """In order. What is damaged is told in the log; its sound blocks are there."""
    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(keys), READERS):
            yield from pool.map(lambda key: _read(store, key), keys[start : start + READERS])


def put_segment(store: ObjectStore, key: str, blocks: Iterable[Block]) -> dict[str, int]:
    """Bytes of each item in it. DataError or UsageError from the store."""
    sizes: dict[str, int] = {}
    packed = list(blocks)
    store.put(key, b"".join(block.data for block in packed))
    for block in packed:
        sizes[block.item_id] = sizes.get(block.item_id, 0) + len(block.data)
    return sizes


def _read(store: ObjectStore, key: str) -> StoredSegment:
    try:
        content = read_segment(store.get(key))
    except MissingObject:
        return StoredSegment(key=key, content=None)
    if content.lost_bytes:
        _log.warning(
            "journal segment %s is damaged: %d bytes of it cannot be read; the calls they told of will be paid for again",
            key,
            content.lost_bytes,
        )
    return StoredSegment(key=key, content=content)
