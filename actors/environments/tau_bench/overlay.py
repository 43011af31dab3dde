"""Immutable states of a database: one frozen base image, shared by all, and for each state the records that differ from it.

Equal contents have equal overlays, the order of keys included: a record changed back to what the base holds leaves the
overlay, so a state can be recognised by its overlay alone. There are two equalities. What a tool can show of a record
depends on the order of its keys (`Record.face`); what the reward asks does not (`Record.canon`), as in upstream's hash.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from actors.environments.tau_bench.frozen import LEAVES, FrozenDict, freeze
from rollouts.identity import DIGEST_BYTES, digest

Differences: TypeAlias = frozenset[tuple[str, str, bytes]]
# (table, key, canon of the record)


class Record:
    """A frozen record and its two identities, each computed when first needed."""

    __slots__ = ("_canon", "_face", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self._face = b""
        self._canon = b""

    @property
    def face(self) -> bytes:
        if not self._face:
            self._face = _hashed(repr(self.value).encode())
        return self._face

    @property
    def canon(self) -> bytes:
        if not self._canon:
            self._canon = _hashed(marshal.dumps(_canonical(self.value), _BY_VALUE))
        return self._canon


_BY_VALUE = 2
# the last version of marshal's format whose bytes depend on the value alone; half the time of `repr`. Never stored


def _hashed(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=DIGEST_BYTES).digest()


def _canonical(value: Any) -> Any:
    """Equal in value and types exactly when upstream's database hash takes two values for the same (tau_bench/envs/base.py).

    So a dictionary is the list of its sorted items, and an empty one is an empty list.
    """
    if isinstance(value, dict):
        return tuple([(key, item if type(item := value[key]) in LEAVES else _canonical(item)) for key in sorted(value)])
    if isinstance(value, list):
        return tuple([item if type(item) in LEAVES else _canonical(item) for item in value])
    return value


class Image:
    """The base: frozen tables of frozen records, in upstream's order."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self.tables: Mapping[str, FrozenDict] = {name: freeze(dict(table)) for name, table in tables.items()}
        self._canons: dict[tuple[str, str], bytes] = {}

    def canon(self, table: str, key: str) -> bytes:
        """Of the base's record there; b"" where it has none."""
        if (table, key) not in self._canons:
            records = self.tables[table]
            self._canons[table, key] = Record(records[key]).canon if key in records else b""
        return self._canons[table, key]


class Delta:
    """How one table differs from the base's."""

    __slots__ = ("appended", "in_order", "records")

    def __init__(self, records: Mapping[str, Record | None], appended: tuple[str, ...], *, base: FrozenDict) -> None:
        self.records = records
        # by key; None: the base's record is gone
        self.appended = appended
        # keys that come after the base's own when the table is iterated, in order
        self.in_order = None not in records.values() and not any(key in base for key in appended)
        # each of the base's records is still there, and where it was


class Overlay:
    """One state of the database."""

    __slots__ = ("_differences", "_key", "tables")

    def __init__(self, tables: Mapping[str, Delta]) -> None:
        self.tables = tables
        # those that differ
        self._key = b""
        self._differences: Differences | None = None

    @property
    def key(self) -> bytes:
        """16 bytes, equal exactly for states that no tool can tell apart."""
        if not self._key:
            self._key = digest(*(part for name in sorted(self.tables) for part in _parts(name, self.tables[name])))
        return self._key

    def differences(self, image: Image) -> Differences:
        """Where the contents differ from the base, and in what: b"" for a record that is gone.

        Equal exactly when upstream's database hashes are equal; only for the image that the overlay lies on.
        """
        if self._differences is None:
            self._differences = frozenset(
                (name, key, canon)
                for name, delta in self.tables.items()
                for key, record in delta.records.items()
                if (canon := record.canon if record else b"") != image.canon(name, key)
            )
        return self._differences


EMPTY = Overlay({})


def _parts(name: str, delta: Delta) -> Iterator[bytes]:
    yield name.encode()
    yield digest(*(part for key in sorted(delta.records) for part in (_encoded(key), _face(delta.records[key]))))
    yield digest(*map(_encoded, delta.appended))


def _encoded(key: str) -> bytes:
    return key.encode("utf-8", "surrogatepass")


def _face(record: Record | None) -> bytes:
    return record.face if record else b""
