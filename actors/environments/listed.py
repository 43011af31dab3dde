"""A list as a table of records by position, so that a tool that walks through it copies what it reaches only."""

from __future__ import annotations

from collections.abc import Iterable, MutableSequence, Sequence
from typing import Any

from actors.environments.copy_on_write import BaseTable, ScratchTable


def listed(values: Sequence[Any]) -> BaseTable:
    """What the database keeps as a list."""
    return BaseTable({str(index): value for index, value in enumerate(values)}, shown=_shown)


def _shown(table: Any) -> Sequence[Any]:
    return ScratchList(table) if isinstance(table, ScratchTable) else tuple(table.values())


class ScratchList(MutableSequence[Any]):
    """A list that may be written to. Its positions are the table's keys, without a gap."""

    def __init__(self, table: ScratchTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: Any) -> Any:
        places = range(len(self))[index]
        return self._table[str(places)] if isinstance(places, int) else [self._table[str(place)] for place in places]

    def __setitem__(self, index: Any, value: Any) -> None:
        values = [*self]
        values[index] = value
        self._rewrite(values)

    def __delitem__(self, index: Any) -> None:
        values = [*self]
        del values[index]
        self._rewrite(values)

    def insert(self, index: int, value: Any) -> None:
        if index == len(self):
            self._table[str(index)] = value
        else:
            values = [*self]
            values.insert(index, value)
            self._rewrite(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Iterable) and [*self] == [*other]

    __hash__ = None  # type: ignore[assignment]

    def _rewrite(self, values: Sequence[Any]) -> None:
        before = len(self)
        for index, value in enumerate(values):
            self._table[str(index)] = value
        for index in range(len(values), before):
            del self._table[str(index)]
