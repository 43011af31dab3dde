"""Which parts somebody may still read: of all runs of a root, told from their markers, generations and batches of verdicts.

Only grows: what was wanted once stays wanted.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from storage.generations import Generation, list_generations, no_generation, read_generation
from storage.layout import item_id_of
from storage.markers import READERS, Marker, marker_from_bytes, marker_keys, read_markers
from storage.objects import ObjectStore
from storage.scorings import read_batches


class WantedParts:
    """A set of part keys."""

    def __init__(self, store: ObjectStore, runs: Iterable[str], *, before: float) -> None:
        """`before`: a generation counts for what it superseded only if it was created before that time of the store's clock.

        DataError for a marker or a generation that cannot be read.
        """
        self._runs = [_WantedOfRun(store, run_id, before=before) for run_id in sorted(runs)]

    def __contains__(self, key: str) -> bool:
        return any(key in run.keys for run in self._runs)

    def look_again(self) -> None:
        """Take in the markers and generations that were created meanwhile."""
        for run in self._runs:
            run.look_again()


class _WantedOfRun:
    def __init__(self, store: ObjectStore, run_id: str, *, before: float) -> None:
        self._store = store
        self._run_id = run_id
        self.keys: set[str] = set()
        self._generations_seen: set[str] = set()
        self._settled = self._take_generations(before)
        markers = list(read_markers(store, run_id))
        self._items_seen = {marker.item_id for marker in markers}
        self._take(markers)
        self._take_batches()

    def look_again(self) -> None:
        self._take_new_generations()
        self._take_batches()
        keys = [key for key in marker_keys(self._store, self._run_id) if item_id_of(key) not in self._items_seen]
        with ThreadPoolExecutor(READERS) as pool:
            self._take(pool.map(lambda key: marker_from_bytes(self._store.get(key), key=key), keys))
        self._items_seen |= {item_id_of(key) for key in keys}

    def _take_generations(self, before: float) -> Generation:
        """The newest generation that is old enough for all readers to have heard of it; it and all later ones are wanted."""
        found = list_generations(self._store, self._run_id)
        old = [info for info in found if info.modified < before]
        settled = read_generation(self._store, self._run_id, old[-1].key) if old else no_generation(self._run_id)
        self._generations_seen = {info.key for info in old[:-1]}
        self._take_new_generations()
        return settled

    def _take_new_generations(self) -> None:
        for info in list_generations(self._store, self._run_id):
            if info.key not in self._generations_seen:
                generation = read_generation(self._store, self._run_id, info.key)
                self.keys |= {shelf.part.key for shelf in generation.shelves}
                self._generations_seen.add(info.key)

    def _take_batches(self) -> None:
        self.keys |= {part.key for batch in read_batches(self._store, self._run_id) for part in batch.parts}

    def _take(self, markers: Iterable[Marker]) -> None:
        for marker in markers:
            if marker.item_id not in self._settled.items:
                self.keys |= {part.key for part in marker.parts}
