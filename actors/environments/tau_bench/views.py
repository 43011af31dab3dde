"""The database as an unmodified tool sees it: dictionaries, for the time of one call.

- `read` lends the frozen records themselves; any write raises `FrozenWrite`;
- `write` makes a record live when a tool reaches it by key, and lends the tables that no tool is known to write;
- `whole_copy` is plain dictionaries and nothing else: for the tool that writes where the other two lend.

A table has a thousand records and a call changes one or two, so a table is copied once, and after a call it is put back to
what the base holds and kept for the next. A spare table holds exactly the base's records in the base's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

from actors.environments.tau_bench.frozen import FrozenDict, thaw
from actors.environments.tau_bench.live import LiveTable
from actors.environments.tau_bench.overlay import Delta, Image, Overlay

View: TypeAlias = dict[str, Any]
T = TypeVar("T", FrozenDict, LiveTable)


class Views:
    """Of one image. Any number of threads may hold views at a time."""

    def __init__(self, image: Image, *, unwritten: frozenset[str]) -> None:
        """`unwritten`: names of the tables that no tool is known to write to."""
        self._image = image
        self._unwritten = unwritten
        self._frozen = _Spares(FrozenDict, image)
        self._live = _Spares(LiveTable, image)

    def read(self, overlay: Overlay) -> View:
        return FrozenDict({name: self._lent(name, overlay) for name in self._image.tables})

    def write(self, overlay: Overlay) -> View:
        return {
            name: self._lent(name, overlay) if name in self._unwritten else self._live.borrow(name, overlay)
            for name in self._image.tables
        }

    def whole_copy(self, overlay: Overlay) -> View:
        return {name: thaw(self._lent(name, overlay)) for name in self._image.tables}

    def take_back(self, view: Mapping[str, Any], overlay: Overlay) -> None:
        """A view as it was given out. For a call that came to an end; after any other the view is left to be forgotten."""
        for name, table in view.items():
            if isinstance(table, LiveTable):
                self._live.give_back(name, table, overlay)
            elif isinstance(table, FrozenDict) and name in overlay.tables:
                self._frozen.give_back(name, table, overlay)

    def _lent(self, name: str, overlay: Overlay) -> FrozenDict:
        return self._frozen.borrow(name, overlay) if name in overlay.tables else self._image.tables[name]


class _Spares(Generic[T]):
    """Copies of the base's tables. They are changed past their own methods, which refuse or take notes."""

    def __init__(self, kind: type[T], image: Image) -> None:
        self._kind: type[T] = kind
        self._image = image
        self._spares: dict[str, list[T]] = {name: [] for name in image.tables}

    def borrow(self, name: str, overlay: Overlay) -> T:
        """The table as it is in the state `overlay`."""
        try:
            table = self._spares[name].pop()
        except IndexError:
            table = self._kind(self._image.tables[name])
        if (delta := overlay.tables.get(name)) is not None:
            _apply(delta, table)
        return table

    def give_back(self, name: str, table: T, overlay: Overlay) -> None:
        """A table whose records have been moved or removed is not worth mending: it is forgotten."""
        base, delta = self._image.tables[name], overlay.tables.get(name)
        if isinstance(table, LiveTable):
            if not table.only_grown(base):
                return
            _put_back(table, table.reached, base)
            table.forget()
        if delta is not None:
            if not delta.in_order:
                return
            _put_back(table, delta.records, base)
        self._spares[name].append(table)


def _apply(delta: Delta, table: dict[str, Any]) -> None:
    for key, record in delta.records.items():
        if record is None:
            dict.pop(table, key, None)
        elif key not in delta.appended:
            dict.__setitem__(table, key, record.value)
    for key in delta.appended:
        dict.pop(table, key, None)
        if (record := delta.records[key]) is not None:
            dict.__setitem__(table, key, record.value)


def _put_back(table: dict[str, Any], keys: Iterable[str], base: FrozenDict) -> None:
    for key in keys:
        if key in base:
            dict.__setitem__(table, key, base[key])
        else:
            dict.pop(table, key, None)
