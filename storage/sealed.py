"""A sealed object: copies of many markers in one object, so that a reader fetches one instead of thousands.

It is a copy and nothing else. The markers themselves stay for ever, because the existence of its key is what keeps a writer
that wakes up late from publishing an item a second time: with the marker deleted, its conditional put would succeed, and no
check of the sealed copies before it could close the gap between the check and the put. So a sealed object may be missing,
doubled or made by two sealers at once, and nothing is lost or counted twice.

    line 1   {"num_bytes": of the lines, "run_id": …, "schema_version": …, "sha256": of the rest}
    then     zstd of lines: the item ids as one JSON list, then their markers' bytes, each one line
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from rollouts.errors import DataError
from storage.layout import sealed_key, sealed_prefix
from storage.objects import ObjectStore
from storage.schema import SCHEMA_VERSION

_CODEC: Final = "zstd"


def put_sealed(store: ObjectStore, run_id: str, markers: Mapping[str, bytes]) -> str:
    """Write copies of markers (item id → bytes); the object's key, a function of its content."""
    items = sorted(markers)
    lines = b"".join([json.dumps(items).encode() + b"\n", *(markers[item_id] for item_id in items)])
    packed = pa.compress(lines, codec=_CODEC, asbytes=True)
    header = {
        "num_bytes": len(lines),
        "run_id": run_id,
        "schema_version": SCHEMA_VERSION,
        "sha256": hashlib.sha256(packed).hexdigest(),
    }
    key = sealed_key(run_id, hashlib.sha256(lines).hexdigest())
    store.put(key, json.dumps(header, sort_keys=True).encode() + b"\n" + packed)
    return key


def sealed_keys(store: ObjectStore, run_id: str) -> list[str]:
    return sorted(info.key for info in store.list(sealed_prefix(run_id)))


def read_sealed(store: ObjectStore, run_id: str) -> dict[str, bytes]:
    """Item id → its marker's bytes, for every marker of the run that was ever sealed."""
    return {item: data for key in sealed_keys(store, run_id) for item, data in read_sealed_object(store, key).items()}


def read_sealed_object(store: ObjectStore, key: str) -> dict[str, bytes]:
    """DataError naming `key` for bytes that are no sealed object, or one of a newer schema."""
    first, _, packed = store.get(key).partition(b"\n")
    try:
        header = json.loads(first)
        version = header["schema_version"]
        return _markers(header, packed) if version <= SCHEMA_VERSION else _refuse(key, version)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"sealed markers {key} are corrupted ({error!r}); delete the object: it holds copies only"
        ) from error


def _markers(header: Mapping[str, Any], packed: bytes) -> dict[str, bytes]:
    found = hashlib.sha256(packed).hexdigest()
    if found != header["sha256"]:
        raise ValueError(f"sha256 should be {header['sha256']}, is {found}")
    lines = pa.decompress(packed, decompressed_size=header["num_bytes"], codec=_CODEC, asbytes=True)
    items, *markers = lines.splitlines(keepends=True)
    return dict(zip(json.loads(items), markers, strict=True))


def _refuse(key: str, version: object) -> dict[str, bytes]:
    raise DataError(
        f"sealed markers {key} have schema version {version}; this treeroll reads {SCHEMA_VERSION}, "
        "install the version that wrote them"
    )
