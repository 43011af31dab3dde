"""The object store seam: named immutable bytes, and one atomic "create unless it exists" on which publication rests.

A key is a relative path: segments joined by "/", none empty, none beginning with a dot. Stores are synchronous and safe
to share between threads, and pickle as what describes them: (root, endpoint_url).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from rollouts.errors import DataError, UsageError

_CONTROL = re.compile(r"[\x00-\x1f\x7f\\]")
_MAX_SEGMENT_BYTES = 200
# file names end at 255 bytes; the rest is room for a temporary file's suffix


class MissingObject(DataError):
    """No object has this key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectInfo:
    key: str
    size: int
    # bytes
    modified: float
    # of its last put: seconds since 1970, by the store's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    """A write that was begun and has not ended: its writer died, or is still at it. It is no object."""

    key: str
    # where it lies, or what it would become
    token: str
    # the store's own name for it
    began: float
    # seconds since 1970, by the store's clock


class ObjectStore(Protocol):
    """Raises UsageError where the caller can mend it (a wrong root, missing credentials), DataError where the store failed.

    A put that returned is durable and seen by every later call from anywhere.
    """

    def get(self, key: str) -> bytes:
        """The object's bytes. MissingObject if there is none."""

    def put(self, key: str, data: bytes) -> None:
        """Create or replace; a reader sees the old bytes or the new, never a mixture."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """True: this call created the object. False: it existed and is unchanged. Of racing callers exactly one gets True.

        Only a store that lost an acknowledgement may answer True to two callers, and only if both wrote equal bytes.
        """

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix` (a string, not a folder), in no particular order."""

    def delete(self, key: str) -> None:
        """Afterwards there is no such object; that there was none before is no error."""

    def uri(self, key: str) -> str:
        """Where other tools find the object: an absolute path, or s3://bucket/…"""


class TendedStore(ObjectStore, Protocol):
    """An object store that can be rid of what dead writers left."""

    def unfinished(self, prefix: str) -> Iterator[Unfinished]:
        """Writes under way to keys that begin with `prefix`, in no particular order."""

    def abandon(self, write: Unfinished) -> None:
        """Afterwards it is gone, and a writer still at it fails; that it was gone before is no error."""


def open_store(root: str, *, endpoint_url: str = "") -> TendedStore:
    """The store at `root`: a directory, or s3://bucket/prefix (at `endpoint_url`, if it is not Amazon's). Touches nothing yet."""
    if root.startswith("s3://"):
        # boto3 costs 0.3 s to import; a run on a local directory never needs it
        from storage.s3_objects import S3ObjectStore

        return S3ObjectStore(root, endpoint_url=endpoint_url)
    if "://" in root or not root:
        raise UsageError(f"storage root must be a directory or s3://bucket/prefix, got {root!r}")
    if endpoint_url:
        raise UsageError(
            f"storage endpoint_url {endpoint_url!r} has no effect on the directory {root!r}; leave it empty"
        )
    from storage.local_objects import LocalObjectStore

    return LocalObjectStore(root)


def check_key(key: str) -> str:
    """The key itself. ValueError for one that could leave the root, hide a file, or that a file system would refuse."""
    segments = key.split("/")
    if any(not s or s.startswith(".") or len(s.encode()) > _MAX_SEGMENT_BYTES for s in segments) or _CONTROL.search(
        key
    ):
        raise ValueError(
            f"not an object key: {key!r}; its segments must be 1 to {_MAX_SEGMENT_BYTES} bytes, begin with no dot "
            "and hold no control character or backslash"
        )
    return key
