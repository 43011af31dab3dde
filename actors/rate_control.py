"""How many requests an endpoint gets at once, over all workers: decided in one place, leased to each worker for a second at a time.

    worker: LeasedGate ── Report (what happened since the last) ──▶ Governor ── Lease (how much you may) ──▶ LeasedGate

- The number in flight follows AIMD (additive increase, multiplicative decrease; Chiu and Jain, 1989): an overload lowers it, calls
  without one raise it again up to the configured bound. It starts at the bound.
- Between two leases a worker acts on its own overloads at once, so a lease costs no round trip per call.
- The governor is pure: reports in, leases out. Without it (its process died) workers go on with their last lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

DECREASE = 0.7
# of the requests in flight when the endpoint said that it has too many; TCP CUBIC's value: 0.5 leaves capacity unused
SETTLE_S = 2.0
# an answer to the last decrease needs this long to show: refusals within it belong to the same overload
RECOVERY_S = 60.0
# from one request to the bound by additive increase: providers' limits count by the minute
BINDING = 0.8
# of the limit must be in use before it is raised: an unused limit says nothing about the endpoint
SILENT_S = 10.0
# a worker that has not reported for so long is gone; its share goes to the others


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is configured for one endpoint; 0: no limit."""

    in_flight: int
    requests_per_min: float = 0.0
    tokens_per_min: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one worker saw of one endpoint since its last report."""

    in_flight: int
    waiting: int
    # requests that would be sent if they might
    overloaded: int
    # requests that were refused for load
    pause_s: float = 0.0
    # the longest wait that the endpoint asked for and that is not over


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One worker's share of one endpoint, until the next lease."""

    in_flight: int
    # at least 1: a worker without any could never find out that the endpoint has recovered
    requests_per_min: float
    tokens_per_min: float
    # 0: no limit
    pause_s: float
    # send nothing for so long


class Governor:
    """One endpoint's capacity over all workers. Pure: the time comes in."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._limit = float(limits.in_flight)
        self._lowered_at = float("-inf")
        self._seen_at = float("-inf")
        self._paused_until = float("-inf")
        self._reports: dict[str, tuple[float, Report]] = {}

    @property
    def limit(self) -> int:
        """Requests in flight that the endpoint is given at the moment, over all workers."""
        return max(1, int(self._limit))

    def lease(self, worker: str, report: Report, *, now: float) -> Lease:
        """The share of `worker`, which has just reported. `now`: seconds, monotonic."""
        self._reports[worker] = (now, report)
        self._reports = {name: entry for name, entry in self._reports.items() if now - entry[0] < SILENT_S}
        self._adapt(report, now)
        workers = len(self._reports)
        return Lease(
            in_flight=self._share(worker),
            requests_per_min=self._limits.requests_per_min / workers,
            tokens_per_min=self._limits.tokens_per_min / workers,
            pause_s=max(0.0, self._paused_until - now),
        )

    def _adapt(self, report: Report, now: float) -> None:
        in_flight = sum(entry.in_flight for _, entry in self._reports.values())
        elapsed = min(1.0, now - self._seen_at)
        self._seen_at = now
        self._paused_until = max(self._paused_until, now + report.pause_s)
        if report.overloaded:
            if now - self._lowered_at >= SETTLE_S:
                self._limit = max(1.0, DECREASE * min(self._limit, in_flight + report.overloaded))
                self._lowered_at = now
        elif in_flight >= BINDING * self._limit and now - self._lowered_at >= SETTLE_S:
            self._limit = min(self._limits.in_flight, self._limit + elapsed * self._limits.in_flight / RECOVERY_S)

    def _share(self, worker: str) -> int:
        """Max-min fair by demand: who needs less than an equal part leaves the rest to the others."""
        wants = {name: entry.in_flight + entry.waiting for name, (_, entry) in self._reports.items()}
        left, shares = self.limit, {}
        for rank, name in enumerate(sorted(wants, key=lambda name: (wants[name], name))):
            shares[name] = min(wants[name], left // (len(wants) - rank))
            left -= shares[name]
        return max(1, shares[worker] + left // len(wants))


class Governors:
    """The governors of all endpoints of a run, by the endpoint's name."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._governors = {name: Governor(limit) for name, limit in limits.items()}

    def leases(self, worker: str, reports: Mapping[str, Report], *, now: float) -> dict[str, Lease]:
        return {name: self._governors[name].lease(worker, report, now=now) for name, report in reports.items()}

    def limits(self) -> dict[str, int]:
        return {name: governor.limit for name, governor in self._governors.items()}
