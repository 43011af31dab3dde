"""Whether a root is ours and its store keeps the one promise that publication rests on: of racing creators exactly one wins.

Several servers that speak the S3 protocol ignore the condition of a conditional put, and then every racer "wins" and rows would be
counted twice. The probe removes every object it made, and every directory.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier
from typing import Protocol

from rollouts.errors import DataError, UsageError
from storage.objects import open_store
from storage.root import check_root

RACERS = 16
ROUNDS = 3
# a server that ignores the condition fails the first; each costs seconds where a server makes racers wait for a lock


class ProbedStore(Protocol):
    """The part of an object store that the probe uses."""

    def get(self, key: str) -> bytes: ...

    def put_if_absent(self, key: str, data: bytes) -> bool: ...

    def delete(self, key: str) -> None: ...


def probe_store(root: str, *, endpoint_url: str = "", rounds: int = ROUNDS) -> str:
    """What is wrong with the store at `root`, in words; empty when nothing is."""
    try:
        with _nothing_left(root):
            store = open_store(root, endpoint_url=endpoint_url)
            check_root(store)
            return probe_races(store, prefix=f"doctor-{uuid.uuid4().hex}", rounds=rounds)
    except (DataError, UsageError) as error:
        return str(error)


def probe_races(store: ProbedStore, *, prefix: str, rounds: int) -> str:
    """What went wrong in `rounds` races of RACERS creators, in words; empty when nothing did."""
    with ThreadPoolExecutor(RACERS) as threads:
        for number in range(rounds):
            key = f"{prefix}-{number}"
            try:
                if trouble := _race(store, key, threads):
                    return trouble
            finally:
                store.delete(key)
    return ""


def _race(store: ProbedStore, key: str, threads: ThreadPoolExecutor) -> str:
    start = Barrier(RACERS)

    def create(racer: int) -> bool:
        start.wait()
        return store.put_if_absent(key, b"racer %d" % racer)

    attempts = [threads.submit(create, racer) for racer in range(RACERS)]
    wait(attempts)  # all of them, even if one fails: none may create the object after it was removed
    winners = [racer for racer, attempt in enumerate(attempts) if attempt.result()]
    if len(winners) != 1:
        return (
            f"{len(winners)} of {RACERS} racing creators of one object were told that they had created it, needed exactly 1: this "
            "store does not hold conditional puts (If-None-Match), so rows would be counted twice or never"
        )
    if store.get(key) != b"racer %d" % winners[0]:
        return "an object does not hold what the creator that won wrote: this store overwrites on a conditional put"
    return "" if not store.put_if_absent(key, b"late") else "an existing object was created again by a conditional put"


@contextmanager
def _nothing_left(root: str) -> Iterator[None]:
    """Remove the directories of a local root that come into being inside the block, if they are empty."""
    place = Path(root).expanduser().absolute()
    absent = [] if "://" in root else [path for path in (place, *place.parents) if not path.exists()]
    try:
        yield
    finally:
        for path in absent:
            try:
                path.rmdir()
            except OSError:  # never made, or used by somebody else by now
                break
