"""What a run has published: each item once, each row once, wherever it lies.

The generation is read before the markers. So whatever happens meanwhile, the rows of the items it names are taken from its
parts and the rows of all others from the parts of their markers: a reader sees the run before a compaction or after it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from storage.generations import Generation, latest_generation
from storage.markers import Marker, read_markers
from storage.objects import ObjectStore
from storage.parts import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    generation: Generation
    markers: tuple[Marker, ...]
    # of every item, in order of item id

    @property
    def on_their_own(self) -> list[Marker]:
        """Items whose rows lie in parts of their own."""
        return [marker for marker in self.markers if marker.item_id not in self.generation.items]

    def parts(self, tables: Collection[str]) -> list[Part]:
        """The live parts of these tables: those that items share first, then by item id."""
        shared = [shelf.part for shelf in self.generation.shelves]
        own = [part for marker in self.on_their_own for part in marker.parts]
        return [part for part in shared + own if part.table in tables]


def read_published(store: ObjectStore, run_id: str) -> Published:
    """DataError naming a marker or a generation that cannot be read."""
    generation = latest_generation(store, run_id)
    return Published(generation=generation, markers=tuple(read_markers(store, run_id)))
