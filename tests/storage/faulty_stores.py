"""Stores with a will of their own, around a real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from storage.objects import ObjectInfo, ObjectStore, TendedStore, Unfinished


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


@dataclass(slots=True)
class MortalStore:
    """The store of a process that dies before or after its n-th change (put or deletion), counted from 0; dead, it does nothing."""

    inner: TendedStore
    dies_at: int
    when: Literal["before", "after"]
    changes: int = 0
    dead: bool = False

    def get(self, key: str) -> bytes:
        self._alive()
        return self.inner.get(key)

    def put(self, key: str, data: bytes) -> None:
        with self._change():
            self.inner.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._change():
            return self.inner.put_if_absent(key, data)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self._alive()
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        with self._change():
            self.inner.delete(key)

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        self._alive()
        return self.inner.unfinished(prefix)

    def abandon(self, write: Unfinished) -> None:
        with self._change():
            self.inner.abandon(write)

    def uri(self, key: str) -> str:
        return self.inner.uri(key)

    def _alive(self) -> None:
        if self.dead:
            raise Crash

    @contextmanager
    def _change(self) -> Iterator[None]:
        self._alive()
        number, self.changes = self.changes, self.changes + 1
        self.dead = number == self.dies_at
        if self.dead and self.when == "before":
            raise Crash
        yield
        if self.dead:
            raise Crash


@dataclass(slots=True)
class InterruptedStore:
    """Lets others act at chosen moments: `at` is called before each listing, put and deletion, with its prefix or key."""

    inner: TendedStore
    at: Callable[[str, str], None]
    # of (what is about to happen, to which key)

    def get(self, key: str) -> bytes:
        return self.inner.get(key)

    def put(self, key: str, data: bytes) -> None:
        self.at("put", key)
        self.inner.put(key, data)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.at("put_if_absent", key)
        return self.inner.put_if_absent(key, data)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        self.at("list", prefix)
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        self.at("delete", key)
        self.inner.delete(key)

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        return self.inner.unfinished(prefix)

    def abandon(self, write: Unfinished) -> None:
        self.inner.abandon(write)

    def uri(self, key: str) -> str:
        return self.inner.uri(key)


class SlowClock:
    """Says that this much time passed between any two looks."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now
