"""Who may enter the engine, and who waits before it.

Invariants: at most `max_running` questions are inside; at most `max_waiting` of each priority wait; a live episode's question
enters before any of bulk scoring; within a priority the first to come is the first to enter; who gives up frees its place at once.

    offered → RUNNING → left            offered → WAITING → RUNNING → left            offered → refused
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias

Priority: TypeAlias = Literal["live", "bulk"]
# an episode that is played now, or scoring of what was recorded
Place: TypeAlias = Literal["running", "waiting", "refused"]


class Busy(Exception):
    """Too many wait already; come again later."""


class Admission:
    """Decides; tickets are the caller's, each used once."""

    def __init__(self, *, max_running: int, max_waiting: int) -> None:
        self._max_running = max_running
        self._max_waiting = max_waiting
        self._running: set[int] = set()
        self._waiting: dict[Priority, dict[int, None]] = {"live": {}, "bulk": {}}
        # dictionaries keep the order of arrival, and anyone can leave

    @property
    def running(self) -> int:
        return len(self._running)

    def waiting(self, priority: Priority) -> int:
        return len(self._waiting[priority])

    def offer(self, ticket: int, priority: Priority) -> Place:
        if self.running < self._max_running:
            self._running.add(ticket)
            return "running"
        if self.waiting(priority) >= self._max_waiting:
            return "refused"
        self._waiting[priority][ticket] = None
        return "waiting"

    def leave(self, ticket: int) -> int | None:
        """The ticket is done with, wherever it stood. The one that runs in its place, if one does."""
        if ticket not in self._running:
            for line in self._waiting.values():
                line.pop(ticket, None)
            return None
        self._running.remove(ticket)
        for line in self._waiting.values():
            for following in line:
                del line[following]
                self._running.add(following)
                return following
        return None


class Entrance:
    """Acts on what `Admission` decides."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._tickets = 0
        self._called: dict[int, asyncio.Future[None]] = {}

    @asynccontextmanager
    async def inside(self, priority: Priority) -> AsyncIterator[None]:
        """Wait for a place and hold it for the time of the context. Raises Busy when too many wait."""
        self._tickets += 1
        ticket = self._tickets
        place = self._admission.offer(ticket, priority)
        if place == "refused":
            raise Busy
        try:
            if place == "waiting":
                self._called[ticket] = asyncio.get_running_loop().create_future()
                await self._called[ticket]
            yield
        finally:
            self._called.pop(ticket, None)
            following = self._admission.leave(ticket)
            if following is not None and not self._called[following].done():
                self._called[following].set_result(None)
