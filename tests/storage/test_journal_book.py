"""The book of a writer's segments, against a model that simply remembers every block."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage.journal_book import SegmentBook

SLACK = 50
SEGMENTS = 4
MERGED = 40


class Segments(RuleBasedStateMachine):
    """`stored` is what lies in the store: segment → item → bytes, settled items included."""

    def __init__(self) -> None:
        super().__init__()
        self.book = SegmentBook(slack_bytes=SLACK, max_segments=SEGMENTS, merged_bytes=MERGED)
        self.stored: dict[str, dict[str, int]] = {}
        self.number = 0
        self.items = 0
        self.live: dict[str, int] = {}
        # item → bytes ever written of it, each block once

    @rule(
        sizes=st.lists(
            st.tuples(st.integers(0, 3), st.integers(1, 30)), min_size=1, max_size=4, unique_by=lambda p: p[0]
        )
    )
    def write(self, sizes: list[tuple[int, int]]) -> None:
        """A segment with blocks of items that are live, or new."""
        chosen = {}
        names = sorted(self.live)
        for pick, size in sizes:
            if pick < len(names):
                chosen[names[pick]] = size
            else:
                self.items += 1
                chosen[f"item-{self.items}"] = size
        for name, size in chosen.items():
            self.live[name] = self.live.get(name, 0) + size
        self._put(chosen)

    @precondition(lambda self: self.live)
    @rule(pick=st.integers(0, 99))
    def settle(self, pick: int) -> None:
        name = sorted(self.live)[pick % len(self.live)]
        del self.live[name]
        self.book.settled(name)

    @rule()
    def tidy(self) -> None:
        """What a journal does; afterwards the bound holds and nothing live is gone."""
        stale = self.book.to_merge()
        kept: dict[str, int] = {}
        for key in stale:
            for name, size in self.stored[key].items():
                if name in self.live:
                    kept[name] = kept.get(name, 0) + size
        for group in _groups(kept):
            self._put(group)
        self.book.copied(stale)
        dead = self.book.to_delete()
        for key in dead:
            del self.stored[key]
        self.book.gone(dead)
        self._check_bound()

    def _put(self, sizes: dict[str, int]) -> None:
        self.number += 1
        key = f"segment-{self.number}"
        self.stored[key] = dict(sizes)
        self.book.wrote(key, sizes)

    def _check_bound(self) -> None:
        live = sum(self.live.values())
        stored = sum(sum(sizes.values()) for sizes in self.stored.values())
        assert stored <= 2 * live + SLACK
        full = [key for key, sizes in self.stored.items() if 2 * sum(sizes.values()) >= MERGED]
        assert len(self.stored) <= SEGMENTS + len(full) + 1
        assert self.book.num_bytes == stored

    @invariant()
    def nothing_live_is_ever_gone(self) -> None:
        found: dict[str, int] = {}
        for sizes in self.stored.values():
            for name, size in sizes.items():
                found[name] = found.get(name, 0) + size
        assert {name: found.get(name) for name in self.live} == self.live
        assert self.book.num_live_bytes == sum(self.live.values())


def _groups(sizes: dict[str, int]) -> list[dict[str, int]]:
    groups: list[dict[str, int]] = []
    for name, size in sizes.items():
        if not groups or sum(groups[-1].values()) + size > MERGED:
            groups.append({})
        groups[-1][name] = size
    return groups


TestSegments = Segments.TestCase
