"""The worker pool of one process: every launched item is a task of the running loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from rollouts.receipt import PoolEvent, Progress, WorkItem
from rollouts.worker import WorkerRecipe


class LocalPool:
    """Built inside a running loop; see `rollouts.protocols.WorkerPool`."""

    def __init__(self, recipe: WorkerRecipe) -> None:
        self._worker = recipe.build()
        self._tasks: set[asyncio.Task[None]] = set()
        self._events: asyncio.Queue[PoolEvent | None] = asyncio.Queue()

    async def launch(self, item: WorkItem) -> None:
        task = asyncio.create_task(self._run(item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, item: WorkItem) -> None:
        await self._events.put(await self._worker.run(item))

    async def events(self) -> AsyncIterator[PoolEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    async def progress(self) -> Progress:
        return self._worker.progress()

    async def allow(self, calls: int | None) -> None:
        self._worker.allow(calls)

    async def drain(self) -> None:
        self._worker.drain()

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._worker.close()
        await self._events.put(None)
