"""Which item to launch next: a pure state machine from events to commands.

    PLANNED → LAUNCHED → SETTLED | FAILED          LAUNCHED → PLANNED when a retryable attempt failed, its worker died or paused

Invariants, whatever the order, repetition or lateness of events: every item settles exactly once; at most `max_launched` items are
out at a time; an item is given up after `attempts` failures of its own or `losses` dead workers; after a limit or a fatal failure
nothing more is launched and what is out is awaited.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias, assert_never

from rollouts.episode import Failure
from rollouts.errors import FailureKind
from rollouts.receipt import Failed, Paused, PoolEvent, Receipt, Settled, WorkerLost, WorkItem


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitReached:
    """The run's budget is spent."""

    limit: str
    # e.g. "limits.calls = 1000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """Somebody asked the run to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A worker could not go on: what it was paid for, or what it played, could not be stored."""

    reason: str


Event: TypeAlias = PoolEvent | LimitReached | Interrupted
Stop: TypeAlias = LimitReached | Interrupted | Outage | Failure
# why a run ended before everything was launched


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    item: WorkItem


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFailure:
    """The item has failed for good in this session; `resume` tries it again."""

    item: WorkItem
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordSettled:
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Workers shall start no further LLM call; what is out comes back cut short."""


Command: TypeAlias = Launch | RecordFailure | RecordSettled | Drain


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    max_launched: int
    attempts: int = 3
    losses: int = 5


class Scheduler:
    """Feed it events, carry out the commands it returns."""

    def __init__(self, items: Iterable[WorkItem], settings: SchedulerSettings) -> None:
        self._settings = settings
        self._items = {item.item_id: item for item in items}
        self._waiting: deque[str] = deque(self._items)
        self._launched: set[str] = set()
        self._attempts: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._stop: Stop | None = None

    @property
    def finished(self) -> bool:
        """Nothing is out and nothing will be launched."""
        return not self._launched and (not self._waiting or self._stop is not None)

    @property
    def stop(self) -> Stop | None:
        """Why the run stopped before everything was launched, if it did."""
        return self._stop

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def start(self) -> list[Command]:
        return self._fill()

    def on_event(self, event: Event) -> list[Command]:
        match event:
            case LimitReached() | Interrupted():
                return self._halt(event)
            case Settled(receipt=receipt):
                return self._settled(receipt)
            case Failed():
                return self._failed(event)
            case Paused():
                return self._paused(event)
            case WorkerLost():
                return self._lost(event)
            case _:
                assert_never(event)

    def _settled(self, receipt: Receipt) -> list[Command]:
        if receipt.item_id not in self._launched:
            return []
        self._launched.remove(receipt.item_id)
        return [RecordSettled(receipt=receipt), *self._fill()]

    def _failed(self, event: Failed) -> list[Command]:
        if event.item_id not in self._launched:
            return []
        self._attempts[event.item_id] += 1
        again = event.retryable and self._attempts[event.item_id] < self._settings.attempts
        commands = self._put_back(event.item_id, event.failure, again=again)
        return [*commands, *(self._halt(event.failure) if event.failure.fatal else self._fill())]

    def _paused(self, event: Paused) -> list[Command]:
        if event.item_id not in self._launched:
            return []
        self._launched.remove(event.item_id)
        self._put_in_line(event.item_id)
        return self._halt(Outage(reason=event.reason)) if event.reason else self._fill()

    def _lost(self, event: WorkerLost) -> list[Command]:
        if event.item_id not in self._launched:
            return []
        self._losses[event.item_id] += 1
        again = self._losses[event.item_id] < self._settings.losses
        message = f"{self._losses[event.item_id]} workers died while they held this item; the last: {event.reason}"
        failure = Failure(kind=FailureKind.INFRASTRUCTURE, message=message)
        return [*self._put_back(event.item_id, failure, again=again), *self._fill()]

    def _put_back(self, item_id: str, failure: Failure, *, again: bool) -> list[Command]:
        self._launched.remove(item_id)
        if again or failure.fatal:
            self._put_in_line(item_id)
            # a fatal failure is the run's, not the item's: the item stays unsettled and `resume` plays it
            return []
        return [RecordFailure(item=self._items[item_id], failure=replace(failure, fatal=False))]

    def _put_in_line(self, item_id: str) -> None:
        self._items[item_id] = replace(self._items[item_id], played_before=True)
        self._waiting.append(item_id)

    def _halt(self, stop: Stop) -> list[Command]:
        if self._stop is not None:
            return []
        self._stop = stop
        return [Drain()]

    def _fill(self) -> list[Command]:
        commands: list[Command] = []
        while self._stop is None and self._waiting and len(self._launched) < self._settings.max_launched:
            item_id = self._waiting.popleft()
            self._launched.add(item_id)
            commands.append(Launch(item=self._items[item_id]))
        return commands
