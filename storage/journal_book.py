"""Which of a writer's own segments are still needed. Pure: it is told what happened and says what to do.

    WRITTEN → every item settled → to delete → gone          WRITTEN → most of it settled → to merge → copied → to delete → gone

Invariant: once everything it says is done, the segments hold at most twice the bytes of live items, plus `slack_bytes`, in at most
`max_segments` segments (plus those that are full).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SLACK_BYTES = 4 << 20
# of settled items, before anything is rewritten for them
MAX_SEGMENTS = 64
# a straggler must not keep a segment alive for every flush since it began
MERGED_BYTES = 8 << 20
# of the segments that merging makes


@dataclass(slots=True)
class _Held:
    num_bytes: int
    live: dict[str, int]
    # item → bytes
    live_bytes: int


class SegmentBook:
    def __init__(
        self, *, slack_bytes: int = SLACK_BYTES, max_segments: int = MAX_SEGMENTS, merged_bytes: int = MERGED_BYTES
    ) -> None:
        self._slack_bytes = slack_bytes
        self._max_segments = max_segments
        self.merged_bytes = merged_bytes
        self._segments: dict[str, _Held] = {}
        # in the order in which they were written
        self._holding: dict[str, set[str]] = {}
        # live item → segments

    def wrote(self, key: str, sizes: Mapping[str, int]) -> None:
        """A segment is in the store; `sizes`: bytes of each item in it."""
        total = sum(sizes.values())
        self._segments[key] = _Held(num_bytes=total, live=dict(sizes), live_bytes=total)
        for item_id in sizes:
            self._holding.setdefault(item_id, set()).add(key)

    def settled(self, item_id: str) -> None:
        for key in self._holding.pop(item_id, ()):
            held = self._segments[key]
            held.live_bytes -= held.live.pop(item_id)

    def copied(self, keys: Iterable[str]) -> None:
        """What the segments hold of live items is in other segments too."""
        for key in keys:
            held = self._segments[key]
            for item_id in held.live:
                self._holding[item_id].discard(key)
            self._segments[key] = _Held(num_bytes=held.num_bytes, live={}, live_bytes=0)

    def gone(self, keys: Iterable[str]) -> None:
        """Segments without a live item are deleted, or not ours to look after any more."""
        for key in keys:
            assert not self._segments.pop(key).live

    def to_delete(self) -> list[str]:
        """Segments that hold no live item."""
        return [key for key, held in self._segments.items() if not held.live]

    def to_merge(self) -> list[str]:
        """Segments whose live items shall be written again, together; in the order in which they were written."""
        kept = {key: held for key, held in self._segments.items() if held.live}
        if sum(held.num_bytes for held in kept.values()) > 2 * self.num_live_bytes + self._slack_bytes:
            return [key for key, held in kept.items() if 2 * held.live_bytes < held.num_bytes]
        small = [key for key, held in kept.items() if 2 * held.num_bytes < self.merged_bytes]
        return small if len(small) > self._max_segments else []

    @property
    def num_bytes(self) -> int:
        """Of all segments."""
        return sum(held.num_bytes for held in self._segments.values())

    @property
    def num_live_bytes(self) -> int:
        return sum(held.live_bytes for held in self._segments.values())
