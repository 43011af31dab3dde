"""The worker's side of rate control: a gate for each endpoint, and one task that renews their leases.

Invariants: at most the leased number of requests is in flight; waiters enter in the order in which they came; a request that was
cancelled while it waited takes nothing; while nobody answers the reports, the last lease holds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Protocol

from actors.rate_control import DECREASE, Governors, Lease, Limits, Report
from rollouts.protocols import Clock

RENEW_S = 1.0
BURST_S = 1.0
# worth of a rate that may be saved up: a minute's worth sent at once is what a limit per minute forbids
_log = logging.getLogger(__name__)


class Bucket:
    """Tokens flow in at a rate and may be owed: what a request really used is known only when it has ended."""

    def __init__(self, *, per_min: float, now: float) -> None:
        self._rate = per_min / 60
        self._level = self._most()
        self._at = now

    def set_rate(self, per_min: float, *, now: float) -> None:
        """0: no limit."""
        self._flow(now)
        self._rate = per_min / 60

    def wait_s(self, now: float) -> float:
        """Until something may be taken; 0: now."""
        self._flow(now)
        return 0.0 if self._level > 0 or not self._rate else (1e-3 - self._level) / self._rate

    def take(self, amount: float) -> None:
        if self._rate:
            self._level -= amount

    def _flow(self, now: float) -> None:
        self._level = min(self._most(), self._level + (now - self._at) * self._rate)
        self._at = now

    def _most(self) -> float:
        return max(1.0, BURST_S * self._rate)


class LeasedGate:
    """Implements `actors.chat_gate.Gate` for one endpoint."""

    def __init__(self, limits: Limits, *, clock: Clock, on_first: Callable[[], None] = lambda: None) -> None:
        """`on_first` is called when the first request comes: on the loop that all others will come on."""
        self._clock = clock
        self._on_first: Callable[[], None] | None = on_first
        self._slots = limits.in_flight
        self._in_flight = 0
        self._waiters: deque[tuple[asyncio.Future[None], int]] = deque()
        self._requests = Bucket(per_min=limits.requests_per_min, now=clock())
        self._tokens = Bucket(per_min=limits.tokens_per_min, now=clock())
        self._estimates: deque[int] = deque()
        # of the requests in flight; which is whose does not matter, only their sum does
        self._paused_until = float("-inf")
        self._overloaded = 0
        self._lowered = False
        self._timer: asyncio.TimerHandle | None = None

    async def enter(self, *, tokens: int) -> None:
        if self._on_first is not None:
            self._on_first()
            self._on_first = None
        if not self._waiters and self._closed_for_s() == 0:
            self._let_in(tokens)
            return
        place = asyncio.get_running_loop().create_future()
        self._waiters.append((place, tokens))
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(overloaded=False, tokens=0, retry_after_s=None)
                # it was let in at the moment of cancelling: nothing is sent
            raise

    def leave(self, *, overloaded: bool, tokens: int, retry_after_s: float | None) -> None:
        self._in_flight -= 1
        self._tokens.take(tokens - self._estimates.popleft())
        if overloaded:
            self._overloaded += 1
            self._back_off()
        if retry_after_s:
            self._paused_until = max(self._paused_until, self._clock() + retry_after_s)
        self._admit()

    def report(self) -> Report:
        """What happened since the last report."""
        seen, self._overloaded = self._overloaded, 0
        waiting = sum(not place.done() for place, _ in self._waiters)
        pause_s = max(0.0, self._paused_until - self._clock())
        return Report(in_flight=self._in_flight, waiting=waiting, overloaded=seen, pause_s=pause_s)

    def apply(self, lease: Lease) -> None:
        now = self._clock()
        self._slots = lease.in_flight
        self._lowered = False
        self._requests.set_rate(lease.requests_per_min, now=now)
        self._tokens.set_rate(lease.tokens_per_min, now=now)
        if lease.pause_s:
            self._paused_until = max(self._paused_until, now + lease.pause_s)
        self._admit()

    def _let_in(self, tokens: int) -> None:
        self._in_flight += 1
        self._requests.take(1)
        self._tokens.take(tokens)
        self._estimates.append(tokens)

    def _back_off(self) -> None:
        """At once, before the governor knows; once per lease."""
        if not self._lowered:
            self._lowered = True
            self._slots = max(1, int(DECREASE * min(self._slots, self._in_flight + 1)))

    def _closed_for_s(self) -> float:
        """0: open; infinite: until somebody leaves."""
        if self._in_flight >= self._slots:
            return float("inf")
        now = self._clock()
        return max(0.0, self._paused_until - now, self._requests.wait_s(now), self._tokens.wait_s(now))

    def _admit(self) -> None:
        while self._waiters and (closed_s := self._closed_for_s()) == 0:
            place, tokens = self._waiters.popleft()
            if not place.done():
                self._let_in(tokens)
                place.set_result(None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiters and closed_s != float("inf"):
            self._timer = asyncio.get_running_loop().call_later(closed_s, self._admit)


class LeaseSource(Protocol):
    """Where leases come from: the governors of this process, or of another."""

    async def leases(self, worker: str, reports: Mapping[str, Report]) -> Mapping[str, Lease]:
        """Raises ConnectionError when nobody answers."""


class OwnGovernors:
    """The governors of a run that has one worker."""

    def __init__(self, limits: Mapping[str, Limits], *, clock: Clock) -> None:
        self._governors = Governors(limits)
        self._clock = clock

    async def leases(self, worker: str, reports: Mapping[str, Report]) -> Mapping[str, Lease]:
        return self._governors.leases(worker, reports, now=self._clock())


class Gates:
    """One worker's gates, by endpoint. Their leases are renewed from the first gate's first use until `close`."""

    def __init__(self, limits: Mapping[str, Limits], *, source: LeaseSource, worker: str, clock: Clock) -> None:
        self._gates = {name: LeasedGate(limit, clock=clock, on_first=self._start) for name, limit in limits.items()}
        self._source = source
        self._worker = worker
        self._renewing: asyncio.Task[None] | None = None

    def gate(self, name: str) -> LeasedGate:
        return self._gates[name]

    def _start(self) -> None:
        if self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())

    async def close(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._renewing

    async def _renew(self) -> None:
        while True:
            await self.renew_once()
            await asyncio.sleep(RENEW_S)

    async def renew_once(self) -> None:
        reports = {name: gate.report() for name, gate in self._gates.items()}
        try:
            leases = await self._source.leases(self._worker, reports)
        except ConnectionError as error:
            _log.warning("no new leases, the last ones hold: %s", error)
            return
        for name, lease in leases.items():
            self._gates[name].apply(lease)
