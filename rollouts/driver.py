"""Drive a run: carry the scheduler's commands to the pool and the pool's events back, until nothing is left to do.

The shell around `rollouts.scheduler`; it decides nothing. Rows never pass here: workers publish them and send receipts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from rollouts.budget import Budget
from rollouts.episode import Failure
from rollouts.protocols import WorkerPool
from rollouts.receipt import Progress, Receipt, WorkItem
from rollouts.scheduler import (
    Command,
    Drain,
    Interrupted,
    Launch,
    LimitReached,
    RecordFailure,
    RecordSettled,
    Scheduler,
    Stop,
)

TICK_S = 0.5
# how often progress is read, and the workers are told how many calls they may start


@dataclass(frozen=True, slots=True, kw_only=True)
class Observer:
    """Callbacks; each must return quickly."""

    on_progress: Callable[[Progress], None]
    # totals of the run so far, unsettled work included
    on_settled: Callable[[Receipt], None]
    on_failed: Callable[[WorkItem, Failure], None]


async def drive(
    scheduler: Scheduler,
    pool: WorkerPool,
    *,
    budget: Budget,
    before: Progress,
    observer: Observer,
    interrupted: Callable[[], bool] = lambda: False,
) -> Stop | None:
    """Run to the end; the reason when it ended before everything was launched.

    `before`: what earlier sessions of the run have already settled and spent. Once `interrupted`, the calls under way are awaited
    and no other is started. The pool is the caller's to close.
    """
    driver = _Driver(scheduler, pool, budget, before, observer, interrupted)
    await pool.allow(budget.affordable(before))
    await driver.carry_out(scheduler.start())
    async with _ticking(driver.tick):
        events = pool.events()
        while not scheduler.finished:
            await driver.carry_out(scheduler.on_event(await anext(events)))
    observer.on_progress(before + await pool.progress())
    return scheduler.stop


class _Driver:
    def __init__(
        self,
        scheduler: Scheduler,
        pool: WorkerPool,
        budget: Budget,
        before: Progress,
        observer: Observer,
        interrupted: Callable[[], bool],
    ) -> None:
        self._scheduler = scheduler
        self._pool = pool
        self._budget = budget
        self._before = before
        self._observer = observer
        self._interrupted = interrupted

    async def tick(self) -> None:
        progress = self._before + await self._pool.progress()
        self._observer.on_progress(progress)
        if self._interrupted():
            await self.carry_out(self._scheduler.on_event(Interrupted()))
        elif (limit := self._budget.reached(progress.spend)) is not None:
            await self.carry_out(self._scheduler.on_event(LimitReached(limit=limit)))
        else:
            await self._pool.allow(self._budget.affordable(progress))

    async def carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Launch(item=item):
                    await self._pool.launch(item)
                case RecordSettled(receipt=receipt):
                    self._observer.on_settled(receipt)
                case RecordFailure(item=item, failure=failure):
                    self._observer.on_failed(item, failure)
                case Drain():
                    await self._pool.drain()
                case _:
                    assert_never(command)


@contextlib.asynccontextmanager
async def _ticking(tick: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    async def forever() -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await tick()

    ticker = asyncio.create_task(forever())
    try:
        yield
    finally:
        ticker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticker
