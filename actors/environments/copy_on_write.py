"""Immutable database states over one base image: what differs from the base is kept, the rest is shared.

A database is tables of records by key; what it keeps as one value (a list, a single model) is a cell: a table with one
record. A state of it is a `Tables`: for each table that differs, a `TableDelta`. Tools are unmodified mutating code, so a
call gets a view and leaves through `settled()`:

- `ReadView` hands out the frozen records themselves, to tools known not to write;
- `ScratchView` copies a record when a tool first reaches it, by key or by iteration, and settles into new tables.

Invariants: a record in a `BaseTable` or a `TableDelta` is never written to; equal database contents have equal
tables (a record changed back to what the base holds leaves the delta), so states can be recognised by content.
Objects that two places of a state share are shared no longer once a call has settled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from actors.environments.thawing import thawed, untouched
from rollouts.identity import DIGEST_BYTES

CELL = ""
# the key of a cell's one record


class Record:
    """A frozen record, any value that a database holds, and its two identities, each computed once and when first needed."""

    __slots__ = ("_canon", "_face", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._face = b""
        self._canon = b""

    @property
    def face(self) -> bytes:
        """Identity of what a tool could show of the record: the order of its dictionaries counts."""
        if not self._face:
            self._face = _fingerprint(self.value, sort_keys=False)
        return self._face

    @property
    def canon(self) -> bytes:
        """Identity of what the record holds: the order of dictionaries does not count, nor in upstream's hash."""
        if not self._canon:
            self._canon = _fingerprint(self.value, sort_keys=True)
        return self._canon


def _fingerprint(value: Any, *, sort_keys: bool) -> bytes:
    text = json.dumps(value, sort_keys=sort_keys, default=_dumped)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()


def _dumped(value: Any) -> Any:
    """What upstream's database hash writes for a value that JSON has no form for (inspect_evals/tau2/utils.py)."""
    return value.model_dump(warnings=False) if hasattr(value, "model_dump") else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDelta:
    """How a table differs from the base."""

    records: Mapping[str, Record | None] = field(default_factory=dict)
    # by key; None: the base's record is gone
    appended: tuple[str, ...] = ()
    # keys that come after the base's own when the table is iterated, in order


Tables: TypeAlias = Mapping[str, TableDelta]
_NO_DELTA = TableDelta()


class BaseTable:
    """One table of the base image."""

    def __init__(self, values: Mapping[str, Any], *, shown: Callable[[Any], Any] = lambda table: table) -> None:
        """`shown`: what a tool finds under the table's name, made of a dictionary of the records."""
        self.values = MappingProxyType(dict(values))
        self.shown = shown
        self._records: dict[str, Record] = {}

    def record(self, key: str) -> Record | None:
        """The base's own record, None where it has none."""
        found = self._records.get(key)
        if found is None and key in self.values:
            found = self._records[key] = Record(self.values[key])
        return found

    def merged(self, delta: TableDelta) -> dict[str, Any]:
        """The whole table in its order: a new dictionary of frozen values."""
        table = dict(self.values)
        for key, record in delta.records.items():
            if record is None or key in delta.appended:
                table.pop(key, None)
            else:
                table[key] = record.value
        for key in delta.appended:
            if (record := delta.records[key]) is not None:
                table[key] = record.value
        return table


def cell(value: Any) -> BaseTable:
    """What the database keeps as one value."""
    return BaseTable({CELL: value}, shown=lambda table: table[CELL])


Image: TypeAlias = Mapping[str, BaseTable]


class ReadView:
    """The database for a tool that only reads: each attribute a table of frozen records, or what stands for one."""

    def __init__(self, image: Image, tables: Tables) -> None:
        self._image = image
        self._tables = tables

    def __getattr__(self, name: str) -> Any:
        base = _table(self._image, name)
        opened = base.shown(base.merged(self._tables[name]) if name in self._tables else base.values)
        setattr(self, name, opened)
        return opened

    def settled(self) -> Tables:
        return self._tables


class ScratchView:
    """The database for a tool that may write: each attribute a `ScratchTable`, or what stands for one."""

    def __init__(self, image: Image, tables: Tables) -> None:
        self._image = image
        self._tables = tables
        self._opened: dict[str, ScratchTable] = {}

    def __getattr__(self, name: str) -> Any:
        return _table(self._image, name).shown(self._table(name))

    def put(self, name: str, value: Any) -> None:
        """Give a cell another value."""
        self._table(name)[CELL] = value

    def _table(self, name: str) -> ScratchTable:
        if name not in self._opened:
            self._opened[name] = ScratchTable(_table(self._image, name), self._tables.get(name, _NO_DELTA))
        return self._opened[name]

    def settled(self) -> Tables:
        """The state after the call: the very tables it started from when nothing has changed."""
        changed = {name: scratch.settled() for name, scratch in self._opened.items()}
        if all(delta is self._tables.get(name, _NO_DELTA) for name, delta in changed.items()):
            return self._tables
        return {name: delta for name, delta in {**self._tables, **changed}.items() if delta.records}


View: TypeAlias = ReadView | ScratchView


class ScratchTable(MutableMapping[str, Any]):
    """A table that may be written to: behaves as the dictionary it stands for, and knows what was reached."""

    def __init__(self, base: BaseTable, before: TableDelta) -> None:
        self._base = base
        self._before = before
        self._live: dict[str, Any] = base.merged(before)
        self._reached: set[str] = set()
        self._rekeyed = False

    def __getitem__(self, key: str) -> Any:
        if key not in self._reached:
            self._live[key] = thawed(self._live[key])
            self._reached.add(key)
        return self._live[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._rekeyed |= key not in self._live
        self._live[key] = value
        self._reached.add(key)

    def __delitem__(self, key: str) -> None:
        del self._live[key]
        self._rekeyed = True
        self._reached.add(key)

    def __contains__(self, key: object) -> bool:
        return key in self._live

    def __iter__(self) -> Iterator[str]:
        return iter(self._live)

    def __len__(self) -> int:
        return len(self._live)

    def popitem(self) -> tuple[str, Any]:
        """The last one, as a dictionary does; a MutableMapping would take the first."""
        if not self._live:
            raise KeyError("popitem(): dictionary is empty")
        key = next(reversed(self._live))
        return key, self.pop(key)

    def settled(self) -> TableDelta:
        """The table's difference from the base now: the very delta it started from when nothing has changed."""
        after = {**self._before.records, **{key: self._frozen(key) for key in self._reached}}
        appended = _appended(self._live, self._base.values) if self._rekeyed else self._before.appended
        records = {
            key: record for key, record in after.items() if record is not self._base.record(key) or key in appended
        }
        delta = TableDelta(records=records, appended=appended)
        return self._before if delta == self._before else delta

    def _frozen(self, key: str) -> Record | None:
        """The key's record as it is now: the earlier one or the base's where that is the same."""
        if key not in self._live:
            return None
        live = self._live[key]
        earlier, base = self._before.records.get(key), self._base.record(key)
        if (source := earlier or base) is not None and untouched(source.value, live):
            return source
        record = Record(live)
        return next((same for same in (base, earlier) if same is not None and same.face == record.face), record)


def differences(image: Image, tables: Tables) -> frozenset[tuple[str, str, bytes]]:
    """Where the contents differ from the base: (table, key, canon), with b"" for a record that is gone.

    Tables that `image` does not have are left out. Two states of one image have equal differences exactly when upstream's
    database hashes are equal.
    """
    found: set[tuple[str, str, bytes]] = set()
    for name in image.keys() & tables.keys():
        for key, record in tables[name].records.items():
            base = image[name].record(key)
            canon = record.canon if record else b""
            if canon != (base.canon if base else b""):
                found.add((name, key, canon))
    return frozenset(found)


def _appended(keys: Iterable[str], base: Iterable[str]) -> tuple[str, ...]:
    """The shortest tail of `keys` without which they stand in the base's order."""
    order = list(keys)
    places = iter(base)
    for index, key in enumerate(order):
        if key not in places:  # walks on to the key's place; where there is none, to the end
            return tuple(order[index:])
    return ()


def _table(image: Image, name: str) -> BaseTable:
    if name not in image:
        raise AttributeError(f"the database has no table {name!r}; it has {', '.join(image)}")
    return image[name]
