"""Places for the live episodes of one worker, taken one after another.

Episodes whose places come free together do not all begin in the same turn of the event loop: one begins in each. Otherwise the loop
would do the first work of all of them before it saw to any connection, their first requests would leave in one burst at the end of
it, and the burst would last to the end of the wave (tests.benchmarks.orchestration, 256 episodes in one wave).
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Slots:
    """`async with slots:` holds a place. Who waits longest is first."""

    def __init__(self, number: int) -> None:
        self._free = asyncio.Semaphore(number)
        self._door = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._free.acquire()
        try:
            async with self._door:
                await asyncio.sleep(0)
        except BaseException:
            self._free.release()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._free.release()
