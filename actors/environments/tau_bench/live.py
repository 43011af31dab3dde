"""Copies of frozen containers that a tool may write to, made as far as the tool reaches and no further.

A live container really holds every item, so that all that C code does with a dictionary or a list holds for it too. Only
an item that is still frozen when it is reached, by key or by walking a list, is first replaced by a live copy of itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from actors.environments.tau_bench.frozen import CopiedPlain, FrozenDict, FrozenList

_item_of, _set_item = dict.__getitem__, dict.__setitem__
_iterator = list.__iter__


class LiveDict(CopiedPlain, dict[str, Any]):
    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        item = _item_of(self, key)
        if type(item) is FrozenDict or type(item) is FrozenList:
            item = _live(item)
            _set_item(self, key, item)
        return item

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else default  # noqa: SIM401 - this is what get is


class LiveList(CopiedPlain, list[Any]):
    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        self._wake()
        return super().__getitem__(index)

    def __iter__(self) -> Iterator[Any]:
        self._wake()
        return _iterator(self)

    def _wake(self) -> None:
        for index, item in enumerate(_iterator(self)):
            if type(item) is FrozenDict or type(item) is FrozenList:
                self[index] = _live(item)


LiveDict.__name__, LiveList.__name__ = "dict", "list"
# as error messages name them


def _live(frozen: FrozenDict | FrozenList) -> LiveDict | LiveList:
    return LiveDict(frozen) if type(frozen) is FrozenDict else LiveList(frozen)


class LiveTable(LiveDict):
    """A table of records, which notes what a tool has had in hand."""

    __slots__ = ("added", "reached", "rekeyed")

    def __init__(self, records: Mapping[str, Any]) -> None:
        super().__init__(records)
        self.forget()

    def forget(self) -> None:
        self.reached: list[str] = []
        # keys whose records may have changed
        self.added: list[str] = []
        # keys put in that were not there, in order
        self.rekeyed = False
        # in some other way: any record may have come, gone or moved

    def __getitem__(self, key: str) -> Any:
        record = _item_of(self, key)
        if type(record) is FrozenDict or type(record) is FrozenList:
            record = _live(record)
            _set_item(self, key, record)
            self.reached.append(key)
        return record

    def __setitem__(self, key: str, record: Any) -> None:
        if key not in self:
            self.added.append(key)
        _set_item(self, key, record)
        self.reached.append(key)

    def only_grown(self, base: Mapping[str, Any]) -> bool:
        """Whether each record stands where it stood, and those put in are new to the base and come last."""
        return not self.rekeyed and not any(key in base for key in self.added)


def _rekeying(name: str) -> Callable[..., Any]:
    method = getattr(dict, name)

    def rekey(self: LiveTable, *args: Any, **kwargs: Any) -> Any:
        self.rekeyed = True
        return method(self, *args, **kwargs)

    return rekey


for _name in ("__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(LiveTable, _name, _rekeying(_name))
LiveTable.__name__ = "dict"
