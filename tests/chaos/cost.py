"""What the endpoint was asked for when, and how much of it the kills may have undone: in flight, and one flush interval's worth."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.chaos.runs import FLUSH_S, IN_FLIGHT, LATENCY_S, Place

WRITE_S = 1.0
# for writing a segment once its flush interval is over, on a busy machine
RECOVERY_S = 12.0
# after an outage until the journal has tried again: its longest pause, and a write


@dataclass(slots=True)
class Cost:
    place: Place
    samples: list[tuple[float, int]] = field(default_factory=list)
    allowed: int = 0
    outage: tuple[float, float] | None = None
    # the last of the storage in this session, its beginning and its end: what was answered in it could not be written

    def sample(self) -> int:
        """The run's progress, which is counted in paid calls where models play."""
        progress = self.place.progress()
        self.samples.append((time.monotonic(), progress))
        return progress

    def outage_began(self) -> None:
        self.outage = (self.outage[0] if self._recovering() and self.outage else time.monotonic(), float("inf"))

    def outage_ended(self) -> None:
        assert self.outage is not None
        self.outage = (self.outage[0], time.monotonic())

    def killed(self) -> None:
        """A process that played is dead."""
        if not self.place.url:
            return
        now = time.monotonic()
        broken = self.outage[0] if self._recovering() and self.outage else now
        time.sleep(LATENCY_S)
        # what it had sent has arrived now
        asked = self.sample()
        safe = max((count for at, count in self.samples if at <= broken - FLUSH_S - WRITE_S), default=0)
        self.allowed += asked - safe + IN_FLIGHT

    def resumed(self) -> None:
        self.outage = None

    def _recovering(self) -> bool:
        return self.outage is not None and time.monotonic() - self.outage[1] < RECOVERY_S
