"""What a table says, as 32 hex digits: a hash of the multiset of its rows, whatever their order and however they are filed.

A table's hash is the sum, modulo 2^128, of the 16-byte BLAKE2b digests of its rows, each taken over the columns that are
content (`storage.schema.hashed_columns`). So hashes of parts add up to the hash of the whole (AdHash: Bellare and
Micciancio, "A New Paradigm for Collision-Free Hashing", 1997). It finds what was lost, doubled or changed by accident;
at this width it does not withstand somebody who makes rows to collide.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from storage.schema import CONTENT_TABLES, LATER_TABLES, SCHEMA_VERSION, hashed_columns, later_columns

_MODULUS = 1 << 128
NO_ROWS = "0" * 32


def row_hash(table: str, rows: Iterable[Mapping[str, object]]) -> str:
    """Equal for rows about to be written and for the same rows read back (pyarrow's `to_pylist`)."""
    columns, later = hashed_columns(table), later_columns(table)
    return _hex(sum(_digest(table, hashed_cells(row, columns=columns, later=later)) for row in rows))


def hashed_cells(row: Mapping[str, object], *, columns: Sequence[str], later: Sequence[str]) -> list[object]:
    """What a row says. A later column speaks only where it is not null: rows from before it keep the hash in their marker."""
    said = [[name, row[name]] for name in later if row[name] is not None]
    return [*(row[name] for name in columns), *said]


def combine(hashes: Iterable[str]) -> str:
    """The hash of a table from those of its disjoint parts."""
    return _hex(sum(int(part, 16) for part in hashes))


def content_hash(per_table: Mapping[str, str]) -> str:
    """One hash for all tables that are content; a table that is absent has no rows.

    A later table speaks only where it has rows: runs from before it keep their hash.
    """
    hashes = {table: per_table.get(table, NO_ROWS) for table in sorted(CONTENT_TABLES)}
    said = [f"{table} {found}" for table, found in hashes.items() if found != NO_ROWS or table not in LATER_TABLES]
    return hashlib.blake2b("\n".join([f"schema {SCHEMA_VERSION}", *said]).encode(), digest_size=16).hexdigest()


def _digest(table: str, cells: list[object]) -> int:
    text = _JSON.encode([table, cells])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def _hex_of_bytes(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.hex()
    raise TypeError(f"a cell holds text, numbers, bytes, lists or structs, got {type(cell).__name__}")


_JSON = json.JSONEncoder(default=_hex_of_bytes, separators=(",", ":"))
# of Python's repr of floats and of escaped text: one text for one value, on every version


def _hex(total: int) -> str:
    return f"{total % _MODULUS:032x}"
