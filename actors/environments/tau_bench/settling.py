"""The state that a tool leaves behind: what it was given is compared with what is there after it, and frozen where it differs.

Only records that the tool can have changed are looked at, and a record that is what it was stays the same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from actors.environments.tau_bench.frozen import ABSENT, FrozenDict, freeze
from actors.environments.tau_bench.live import LiveTable
from actors.environments.tau_bench.overlay import Delta, Image, Overlay, Record
from rollouts.errors import DataError

_NONE = Delta({}, (), base=FrozenDict())


def settled(image: Image, overlay: Overlay, *, given: Mapping[str, Any], found: Mapping[str, Any]) -> Overlay:
    """The state that a tool left in `found`, which it was `given` on `overlay`: `overlay` itself when nothing has changed.

    DataError when the tool added or removed a whole table.
    """
    if found.keys() != image.tables.keys():
        raise DataError(
            f"a tool left the tables {sorted(found)} in a database of {sorted(image.tables)}; tables cannot be added or removed"
        )
    changed = {}
    for name, table in found.items():
        before = overlay.tables.get(name, _NONE)
        after = _settled_table(table, before, base=image.tables[name], replaced=table is not given[name])
        if after is not before:
            changed[name] = after
    if not changed:
        return overlay
    return Overlay({name: delta for name, delta in {**overlay.tables, **changed}.items() if delta.records})


def _settled_table(table: dict[str, Any], before: Delta, *, base: FrozenDict, replaced: bool) -> Delta:
    """How `table` differs from `base` now: `before` itself when nothing has changed."""
    keys: Iterable[str]
    if isinstance(table, FrozenDict) and not replaced:
        return before
    if isinstance(table, LiveTable) and not replaced and table.only_grown(base):
        if not table.reached:
            return before
        keys, appended = table.reached, (*before.appended, *table.added)
    else:
        keys, appended = {*base, *before.records, *table}, _tail(table, base)
    records = dict(before.records)
    for key in keys:
        _settle(records, key, dict.get(table, key, ABSENT), original=base.get(key, ABSENT), moved=key in appended)
    if appended == before.appended and _same(records, before.records):
        return before
    return Delta(records, appended, base=base)


def _settle(records: dict[str, Record | None], key: str, value: Any, *, original: Any, moved: bool) -> None:
    """Enter the `value` that is now at `key`, where the base holds the `original`."""
    earlier = records.get(key)
    frozen = freeze(value, earlier.value if earlier else original)
    if earlier and frozen is not earlier.value:
        frozen = freeze(frozen, original)
    if frozen is original and not moved:
        records.pop(key, None)
    elif frozen is ABSENT:
        records[key] = None
    elif not earlier or frozen is not earlier.value:
        records[key] = Record(frozen)


def _same(after: Mapping[str, Record | None], before: Mapping[str, Record | None]) -> bool:
    """A record that has not changed is the same object."""
    return len(after) == len(before) and all(key in before and record is before[key] for key, record in after.items())


def _tail(table: Mapping[str, Any], base: Mapping[str, Any]) -> tuple[str, ...]:
    """The shortest tail of the table's keys without which they stand in the base's order."""
    order = list(table)
    places = iter(base)
    for index, key in enumerate(order):
        if key not in places:  # walks on to the key's place; where there is none, to the end
            return tuple(order[index:])
    return ()
