"""Sealing: copying the markers that are not sealed yet into one object (storage.sealed says why the markers stay).

    markers read → sealed object put          a crash before the put leaves everything as it was, one after it nothing to do

Each sealing copies only what is new, so all sealings of a run together write every marker once.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from storage.layout import item_id_of
from storage.markers import READERS, marker_from_bytes, marker_keys
from storage.objects import ObjectStore
from storage.sealed import put_sealed, read_sealed

WORTH_SEALING = 500
# markers: they cost a reader about 0.2 s; fewer would leave a run with many small sealed objects


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReport:
    run_id: str
    newly_sealed: int
    sealed: int
    # in all
    loose: int
    # markers that every reader still fetches one by one


def seal(store: ObjectStore, run_id: str, *, at_least: int = WORTH_SEALING) -> SealReport:
    """Seal what is not sealed, if it is `at_least` so many markers. DataError for a marker that cannot be read."""
    before = read_sealed(store, run_id)
    new = [key for key in marker_keys(store, run_id) if item_id_of(key) not in before]
    if not new or len(new) < at_least:
        return SealReport(run_id=run_id, newly_sealed=0, sealed=len(before), loose=len(new))
    with ThreadPoolExecutor(READERS) as pool:
        found = dict(zip(map(item_id_of, new), pool.map(lambda key: _checked(store, key), new), strict=True))
    put_sealed(store, run_id, found)
    return SealReport(run_id=run_id, newly_sealed=len(new), sealed=len(before) + len(new), loose=0)


def _checked(store: ObjectStore, key: str) -> bytes:
    data = store.get(key)
    marker_from_bytes(data, key=key)
    return data
