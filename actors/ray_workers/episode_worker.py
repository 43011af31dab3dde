"""The Ray actor around a `rollouts.worker.Worker`: a shell that adds a process and nothing else."""

from __future__ import annotations

import os

from rollouts.receipt import PoolEvent, Progress, WorkItem
from rollouts.worker import WorkerRecipe


class EpisodeWorker:
    """An async actor: its items share one event loop. The pool applies `ray.remote` to it."""

    def __init__(self, recipe: WorkerRecipe) -> None:
        self._worker = recipe.build()

    async def run(self, item: WorkItem) -> PoolEvent:
        return await self._worker.run(item)

    async def progress(self) -> tuple[int, Progress]:
        """The process id (a new one after a restart: the counts begin again) and the counts."""
        return os.getpid(), self._worker.progress()

    async def allow(self, calls: int | None) -> None:
        self._worker.allow(calls)

    async def drain(self) -> None:
        self._worker.drain()
