"""One driver for a run: a lease that is claimed by a conditional put, kept by a heartbeat, and given back.

    FREE → claim of the next epoch created → HELD (beats) → released → FREE
                                             HELD → silent for `watch_s` → claim of the next epoch by another → LOST

- An epoch's claim is created once, so of two claimants of one epoch one wins; the highest epoch holds the run.
- A newcomer never compares clocks of two machines: it watches the heartbeat change by its own monotonic clock. A holder that is
  provably dead (same machine, no such process) is not waited for.
- A holder learns at its next beat that a higher epoch exists, says so and stops. Until then, and for workers that outlive it,
  nothing is at stake but money: rows are published once whoever writes them, because of their markers.
- The epoch is in no marker: a marker's bytes are a function of its rows, and rows that were paid for count whoever drove the run.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from typing import Literal

from rollouts.errors import DataError, UsageError
from storage.holders import Holder, is_dead, this_process
from storage.layout import beat_key, claim_epoch, claim_key, leases_prefix
from storage.objects import MissingObject, ObjectStore

_log = logging.getLogger(__name__)
_RELEASED = b"released"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTimes:
    beat_s: float = 2.0
    watch_s: float = 6.0
    # silence after which a holder counts as dead: three beats
    look_s: float = 0.5
    # between a newcomer's looks


Health = Literal["unknown", "beating", "silent", "released"]


class Watch:
    """Whether a lease's holder lives, from what its heartbeat said and when. Pure; times are of one monotonic clock."""

    def __init__(self, *, watch_s: float) -> None:
        self._watch_s = watch_s
        self._first: tuple[bytes, float] | None = None

    def see(self, beat: bytes, *, at: float) -> Health:
        if beat == _RELEASED:
            return "released"
        if self._first is None:
            self._first = (beat, at)
        first, since = self._first
        if beat != first:
            return "beating"
        return "silent" if at - since >= self._watch_s else "unknown"


class Lease:
    """A held lease. `lost` is set once another has taken it over."""

    def __init__(self, store: ObjectStore, run_id: str, epoch: int) -> None:
        self.run_id = run_id
        self.epoch = epoch
        self.lost = threading.Event()
        self._store = store

    def check(self) -> None:
        """UsageError, naming who has it, when the lease is lost."""
        if self.lost.is_set():
            holder = _read_claim(self._store, self.run_id, _latest_epoch(self._store, self.run_id))
            raise UsageError(
                f"run {self.run_id!r} was taken over by {_named(holder)}: this process was silent for too long (suspended, or "
                "cut off from the store). It has stopped; what it published counts"
            )

    def beat(self, number: int) -> None:
        """Say that the holder lives, and look whether it still is the holder. DataError when the store fails."""
        self._store.put(beat_key(self.run_id, self.epoch), b"%d" % number)
        if _latest_epoch(self._store, self.run_id) > self.epoch:
            self.lost.set()

    def release(self) -> None:
        if not self.lost.is_set():
            self._store.put(beat_key(self.run_id, self.epoch), _RELEASED)


@contextmanager
def hold_lease(
    store: ObjectStore,
    run_id: str,
    *,
    on_lost: Callable[[], None] = lambda: None,
    times: LeaseTimes = LeaseTimes(),
) -> Iterator[Lease]:
    """Hold the run's lease inside the block; a thread beats. UsageError naming the holder when another process has it.

    `on_lost` is called from that thread, once. Blocks for `watch_s` when an earlier holder may be dead and does not say so.
    """
    lease = Lease(store, run_id, _take(store, run_id, times))
    stop = threading.Event()
    thread = threading.Thread(target=_keep_beating, args=(lease, stop, on_lost, times), daemon=True, name="lease")
    thread.start()
    try:
        yield lease
    finally:
        stop.set()
        thread.join(times.watch_s)
        with suppress(DataError, UsageError):
            # the store is away: the next holder finds out by itself
            lease.release()


def _keep_beating(lease: Lease, stop: threading.Event, on_lost: Callable[[], None], times: LeaseTimes) -> None:
    number = 0
    while not stop.is_set() and not lease.lost.is_set():
        number += 1
        try:
            lease.beat(number)
        except (DataError, UsageError) as error:
            _log.warning("the lease of run %s could not be kept alive: %s", lease.run_id, error)
        stop.wait(times.beat_s)
    if lease.lost.is_set():
        on_lost()


# -- taking it --------------------------------------------------------------------------------------------------------


def _take(store: ObjectStore, run_id: str, times: LeaseTimes) -> int:
    """The epoch that is ours. Ends: each round either claims, refuses, or was overtaken by a claim that did."""
    claim = json.dumps(asdict(this_process()) | {"claim": uuid.uuid4().hex}, sort_keys=True).encode()
    # unique, so that no other's claim can be mistaken for this one's lost acknowledgement
    while True:
        epoch = _latest_epoch(store, run_id)
        if epoch and (holder := _living_holder(store, run_id, epoch, times)):
            raise UsageError(
                f"run {run_id!r} is being played already: by {_named(holder)}. Wait for it, or stop it and resume the run; "
                "two drivers would pay for the same calls twice"
            )
        if store.put_if_absent(claim_key(run_id, epoch + 1), claim):
            return epoch + 1


def _living_holder(store: ObjectStore, run_id: str, epoch: int, times: LeaseTimes) -> Holder | None:
    holder = _read_claim(store, run_id, epoch)
    watch = Watch(watch_s=times.watch_s)
    while (health := watch.see(_read_beat(store, run_id, epoch), at=time.monotonic())) == "unknown":
        if is_dead(holder):
            return None
        time.sleep(times.look_s)
    return holder if health == "beating" else None


def _latest_epoch(store: ObjectStore, run_id: str) -> int:
    """0 before the first claim."""
    epochs = (claim_epoch(info.key) for info in store.list(leases_prefix(run_id)))
    return max((epoch for epoch in epochs if epoch is not None), default=0)


def _read_claim(store: ObjectStore, run_id: str, epoch: int) -> Holder:
    key = claim_key(run_id, epoch)
    try:
        record = json.loads(store.get(key))
        return Holder(**{field.name: record[field.name] for field in fields(Holder)})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"lease {key} is corrupted ({error!r}); make sure that nobody plays run {run_id}, then delete it"
        ) from error


def _read_beat(store: ObjectStore, run_id: str, epoch: int) -> bytes:
    try:
        return store.get(beat_key(run_id, epoch))
    except MissingObject:
        return b""


def _named(holder: Holder) -> str:
    return f"process {holder.pid} on {holder.host} since {holder.since}"
