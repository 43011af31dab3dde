"""Putting a finished dataset version in its place: all files first, the manifest last, and never over another version.

    built (in a temporary folder) → files put → manifest created (conditional put) → PUBLISHED

A folder without a manifest is an export that was cut short, and may be written again; anything foreign in it is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rollouts.errors import DataError, UsageError
from storage.export.manifest import MANIFEST, differing_keys
from storage.export.parquet_files import ExportFile
from storage.objects import MissingObject, ObjectStore


def publish(store: ObjectStore, files: Sequence[ExportFile], *, folder: Path, manifest: bytes) -> bool:
    """True: published now. False: it was there already, with the same content.

    UsageError where the place holds another version, or files that are not the export's.
    """
    sizes = {info.key: info.size for info in store.list("")}
    if MANIFEST in sizes:
        _check_same(store, manifest)
        missing = [file for file in files if sizes.get(file.path) != file.num_bytes]
        _put(store, missing, folder)
        return bool(missing)
    _check_own(store, files, sizes)
    _put(store, files, folder)
    if not store.put_if_absent(MANIFEST, manifest):
        _check_same(store, manifest)
    return True


def _put(store: ObjectStore, files: Sequence[ExportFile], folder: Path) -> None:
    for file in files:
        store.put(file.path, (folder / file.path).read_bytes())


def _check_same(store: ObjectStore, manifest: bytes) -> None:
    try:
        existing = store.get(MANIFEST)
        differing = [] if existing == manifest else differing_keys(existing, manifest)
    except MissingObject:
        raise DataError(f"{store.uri(MANIFEST)} vanished while it was read; export again") from None
    except ValueError:
        raise UsageError(f"{store.uri(MANIFEST)} is no manifest of an export; choose another place") from None
    if differing:
        raise UsageError(
            f"{store.uri(MANIFEST)} is the manifest of another dataset version; these differ: {', '.join(differing)}. "
            "A version is never overwritten: choose another place"
        )


def _check_own(store: ObjectStore, files: Sequence[ExportFile], there: dict[str, int]) -> None:
    foreign = sorted(there.keys() - {file.path for file in files})
    if foreign:
        raise UsageError(
            f"the place for the dataset holds other files, such as {store.uri(foreign[0])}, and no {MANIFEST}; "
            "choose an empty one, or remove what an export that was cut short has left"
        )
