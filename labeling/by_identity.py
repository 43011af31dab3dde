"""What was made of an object, as long as the object is asked about: a cache by identity, for frozen things that have no hash.

A briefing's policy and tools are one object for all tasks of a domain, and what is rendered of them is the same for every call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

MAX_KEPT = 256
# of distinct objects; a worker meets one set of tools for each domain and one for each task whose user has tools of its own


class ByIdentity(Generic[K, V]):
    """`make(thing)`, made once while `thing` is among the last MAX_KEPT that were new. The thing must never change."""

    __slots__ = ("_kept", "_make")

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._kept: dict[int, tuple[K, V]] = {}
        # holds the thing too, so that no other object gets its identity meanwhile

    def __call__(self, thing: K) -> V:
        known = self._kept.get(id(thing))
        if known is not None:
            return known[1]
        made = self._make(thing)
        while len(self._kept) >= MAX_KEPT:
            self._kept.pop(next(iter(self._kept), 0), None)
        self._kept[id(thing)] = thing, made
        return made
