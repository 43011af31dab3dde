"""A store that counts every operation and may end the process, so to speak, before or after any of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from storage.objects import ObjectInfo, ObjectStore


@dataclass(slots=True)
class CountedStore:
    """Calls `before` and `after` with the operation's name, its key and its number, counted from 0; either may raise."""

    inner: ObjectStore
    before: Callable[[str, str, int], None] = lambda operation, key, number: None
    after: Callable[[str, str, int], None] = lambda operation, key, number: None
    count: int = 0

    def get(self, key: str) -> bytes:
        number = self._begin("get", key)
        data = self.inner.get(key)
        self.after("get", key, number)
        return data

    def put(self, key: str, data: bytes) -> None:
        number = self._begin("put", key)
        self.inner.put(key, data)
        self.after("put", key, number)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        number = self._begin("put_if_absent", key)
        created = self.inner.put_if_absent(key, data)
        self.after("put_if_absent", key, number)
        return created

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        number = self._begin("list", prefix)
        found = list(self.inner.list(prefix))
        self.after("list", prefix, number)
        return iter(found)

    def delete(self, key: str) -> None:
        number = self._begin("delete", key)
        self.inner.delete(key)
        self.after("delete", key, number)

    def uri(self, key: str) -> str:
        return self.inner.uri(key)

    def _begin(self, operation: str, key: str) -> int:
        number, self.count = self.count, self.count + 1
        self.before(operation, key, number)
        return number
