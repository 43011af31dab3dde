"""Checking a run: everything that its markers and generations promise, recomputed from the bytes.

A problem is one sentence that names the object. Verification goes on after a problem, so that one report names them all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from rollouts.episode import Failure
from rollouts.errors import DataError
from storage.content_hash import combine, content_hash
from storage.generations import latest_generation, no_generation
from storage.layout import item_id_of, marker_key
from storage.markers import READERS, Marker, marker_from_bytes, marker_keys
from storage.objects import ObjectStore
from storage.runs import RunRecord, read_failures, read_run
from storage.schema import TABLES
from storage.sealed import read_sealed_object, sealed_keys
from storage.tally import Tally
from storage.verify_rows import check_own_parts, check_shelves
from storage.verify_verdicts import check_verdicts

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyReport:
    run_id: str
    content_hash: str
    # of the rows that were read; the run's own only when there is no problem
    rows: Mapping[str, int]
    # table → rows read
    items_planned: int
    items_settled: int
    items_failed: int
    problems: tuple[str, ...]
    num_verdicts: int = 0
    # rows of critics that scored the run afterwards; the content hash, which is the run's, does not cover them

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class _Markers:
    """What the run's markers turned out to be."""

    settled: set[str] = field(default_factory=set)
    # items that have one, sound or not
    digests: dict[str, bytes] = field(default_factory=dict)
    # item id → sha256 of the marker's bytes
    readable: dict[str, Marker] = field(default_factory=dict)


def verify_run(store: ObjectStore, run_id: str) -> VerifyReport:
    """Reads every part of the run. UsageError if there is no such run; anything wrong with its data is in the report."""
    record = read_run(store, run_id)
    problems: list[str] = []
    generation = _told(partial(latest_generation, store, run_id), problems, otherwise=no_generation(run_id))
    with ThreadPoolExecutor(READERS) as threads:
        markers = _read_markers(store, run_id, threads, problems)
        own = [marker for item, marker in markers.readable.items() if item not in generation.items]
        checked = [check_own_parts(store, own, threads), check_shelves(store, generation, markers.readable)]
    tallies = [tally for rows in checked for tally in rows.tallies.values()]
    problems += [problem for rows in checked for problem in rows.problems]
    problems += _sealed(store, run_id, markers)
    own_parts = [part for marker in own for part in marker.parts]
    shared_parts = [shelf.part for shelf in generation.shelves]
    steps = [part for part in own_parts + shared_parts if part.table == "steps"]
    verdicts = check_verdicts(store, run_id, steps=steps)
    problems += verdicts.problems
    failed = set(_told(partial(read_failures, store, run_id), problems, otherwise=dict[str, Failure]()))
    problems += _plan(record, settled=markers.settled, failed=failed)
    report = _report(record, tallies, settled=markers.settled, failed=failed, problems=problems)
    return replace(report, num_verdicts=verdicts.num_rows)


def _report(
    record: RunRecord, tallies: list[Tally], *, settled: set[str], failed: set[str], problems: list[str]
) -> VerifyReport:
    return VerifyReport(
        run_id=record.run_id,
        content_hash=content_hash({table: combine(tally.hashes[table] for tally in tallies) for table in TABLES}),
        rows={table: sum(tally.rows[table] for tally in tallies) for table in TABLES},
        items_planned=len(record.items),
        items_settled=len(settled),
        items_failed=len(failed),
        problems=tuple(problems),
    )


def _told(read: Callable[[], T], problems: list[str], *, otherwise: T) -> T:
    try:
        return read()
    except DataError as error:
        problems.append(str(error))
        return otherwise


def _read_markers(store: ObjectStore, run_id: str, threads: ThreadPoolExecutor, problems: list[str]) -> _Markers:
    markers = _Markers()
    keys = marker_keys(store, run_id)
    for key, read in zip(keys, threads.map(partial(_read_marker, store), keys), strict=True):
        item_id = item_id_of(key)
        markers.settled.add(item_id)
        if isinstance(read, DataError):
            problems.append(str(read))
            continue
        marker, markers.digests[item_id] = read
        if (marker.run_id, marker.item_id) == (run_id, item_id):
            markers.readable[item_id] = marker
        else:
            problems.append(f"marker {key} says it is item {marker.item_id} of run {marker.run_id}")
    return markers


def _read_marker(store: ObjectStore, key: str) -> tuple[Marker, bytes] | DataError:
    try:
        data = store.get(key)
        return marker_from_bytes(data, key=key), hashlib.sha256(data).digest()
    except DataError as error:
        return error


def _sealed(store: ObjectStore, run_id: str, markers: _Markers) -> Iterator[str]:
    """Sealed copies equal their markers, and no marker is gone."""
    for key in sealed_keys(store, run_id):
        try:
            copies = read_sealed_object(store, key)
        except DataError as error:
            yield str(error)
            continue
        for item_id, data in copies.items():
            if item_id not in markers.settled:
                yield f"marker {marker_key(run_id, item_id)} is missing, though {key} holds a copy; restore it from that copy"
            elif markers.digests.get(item_id) not in (None, hashlib.sha256(data).digest()):
                yield f"sealed markers {key} hold another marker of item {item_id} than {marker_key(run_id, item_id)}"


def _plan(record: RunRecord, *, settled: set[str], failed: set[str]) -> list[str]:
    planned = {item.item_id for item in record.items}
    return [
        f"item {item} of run {record.run_id} has a marker but was never planned" for item in sorted(settled - planned)
    ] + [
        f"item {item} of run {record.run_id} was planned but has neither a marker nor a recorded failure; resume the run"
        for item in sorted(planned - settled - failed)
    ]
