"""How rows are published: their parts first, then the one marker that makes them count.

    parts put (nobody reads them) → marker created (conditional put) → PUBLISHED

- A crash before the marker leaves parts that no reader ever sees; the next attempt puts its own.
- A part's key holds the hash of its bytes. Writing the same rows again overwrites the parts with the same bytes; a racing
  writer whose rows differ (two plays of one item differ in `duration_s`) writes *other* keys, so it can never change what
  the winner's marker published. Without the hash in the key it would.
- A writer that was held up for longer than COMMIT_DEADLINE_S between its parts and its marker (a suspended machine) puts its parts
  again after the marker: until then the collector of garbage may have taken them for nobody's (storage.collect).
- Of racing writers the marker's creator wins; the loser's parts stay unread.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from storage.objects import ObjectStore
from storage.parts import Part, encode_rows, part_of
from storage.rows import Row

COMMIT_DEADLINE_S = 900.0
# between the first part and its marker: what is unmarked for much longer is garbage (storage.collect)

PartFile: TypeAlias = tuple[Part, bytes]


def part_files(table: str, rows: Sequence[Row], *, folder: Callable[[Row], str], name: str) -> Iterator[PartFile]:
    """The rows as one part for each folder that has some. `name`: what a part's key says of the part itself."""
    filed: dict[str, list[Row]] = {}
    for row in rows:
        filed.setdefault(folder(row), []).append(row)
    for place, members in sorted(filed.items()):
        data = encode_rows(table, members)
        yield part_of(table, place, name, data, num_rows=len(members)), data


def commit(
    store: ObjectStore,
    files: Sequence[PartFile],
    create_marker: Callable[[], bool],
    *,
    clock: Callable[[], float] = time.time,
) -> bool:
    """Publish the files, all or none of them. False: another writer's marker was first.

    `create_marker` must put it only where none is, and say whether it did. `clock`: seconds; goes on while the machine sleeps.
    """
    began = clock()
    _put(store, files)
    created = create_marker()
    if created and clock() - began > COMMIT_DEADLINE_S:
        _put(store, files)
    return created


def _put(store: ObjectStore, files: Sequence[PartFile]) -> None:
    for part, data in files:
        store.put(part.key, data)
