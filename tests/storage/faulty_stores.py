"""Stores with a will of their own, around a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from storage.objects import ObjectInfo, ObjectStore


class Crash(Exception):
    """The process ends here, as far as the code under test can tell."""


@dataclass(slots=True)
class WatchedStore:
    """Calls `before` and `after` with the number of each put, counted from 0; either may raise."""

    inner: ObjectStore
    before: Callable[[int], None] = lambda _: None
    after: Callable[[int], None] = lambda _: None
    puts: list[str] = field(default_factory=list)
    # their keys

    def get(self, key: str) -> bytes:
        return self.inner.get(key)

    def put(self, key: str, data: bytes) -> None:
        number = self._begin(key)
        self.inner.put(key, data)
        self.after(number)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        number = self._begin(key)
        created = self.inner.put_if_absent(key, data)
        self.after(number)
        return created

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        self.inner.delete(key)

    def uri(self, key: str) -> str:
        return self.inner.uri(key)

    def _begin(self, key: str) -> int:
        self.puts.append(key)
        self.before(len(self.puts) - 1)
        return len(self.puts) - 1


def crash_at(number: int) -> Callable[[int], None]:
    def crash(current: int) -> None:
        if current == number:
            raise Crash

    return crash
