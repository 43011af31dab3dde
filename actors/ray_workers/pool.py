"""The worker pool over Ray: a few async actors, each with many items on one event loop.

A lost worker (killed, out of memory, its node gone) loses its items: each comes back as `WorkerLost` exactly once and the scheduler
launches it again. Ray restarts the actor; nothing is sent to it until it answers, and items wait here while no worker does.
A worker that cannot be brought back is given up; when all are, waiting items come back as lost.

A worker's life: READY → REVIVING → READY | GONE
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import ray
from ray.exceptions import ActorDiedError, RayActorError, RayError

from actors.ray_workers.episode_worker import EpisodeWorker
from rollouts.errors import DataError
from rollouts.receipt import PoolEvent, Progress, WorkerLost, WorkItem
from rollouts.worker import WorkerRecipe

_START_TIMEOUT_S = 120
# importing the environments takes seconds on a loaded machine; a cluster without room never answers
_POLL_S = 0.25
_SIDE_CALLS = 16
# progress and drain beside the items
_REPLACEMENTS = 3
# new actors for one that Ray will not restart: a recipe that cannot be built any more fails every time


@dataclass(slots=True, eq=False)
class _Worker:
    handle: Any
    pid: int = 0
    items: int = 0
    life: Literal["ready", "reviving", "gone"] = "ready"
    current: Progress = field(default_factory=Progress)
    past: Progress = field(default_factory=Progress)
    # of this worker's earlier processes

    def saw(self, pid: int, progress: Progress) -> None:
        if pid != self.pid:
            self.retire()
            self.pid = pid
        self.current = progress

    def retire(self) -> None:
        """The process is gone: what it did stays counted (it was paid for), what it held is no longer live."""
        self.past += replace(self.current, in_flight=0, asking=0)
        self.current = Progress()


class RayPool:
    """See `rollouts.protocols.WorkerPool`. Make it with `await RayPool.start(...)` inside `ray_workers.cluster`."""

    def __init__(self, workers: list[_Worker], make: Callable[[], Any]) -> None:
        self._workers = workers
        self._make = make
        self._held: deque[WorkItem] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._events: asyncio.Queue[PoolEvent | None] = asyncio.Queue()
        self._draining = False
        self._bounded = False
        # a budget was given: a revived worker waits for its share

    @classmethod
    async def start(cls, recipe: WorkerRecipe, *, workers: int, max_items: int) -> RayPool:
        """`workers` actors with one CPU each, ready to take `max_items` items between them. DataError when they do not come up."""
        actor: Any = ray.remote(EpisodeWorker)
        options = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": 0, "max_concurrency": max_items + _SIDE_CALLS}

        def make() -> Any:
            return actor.options(**options).remote(recipe)

        started = [_Worker(handle=make()) for _ in range(workers)]
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                for worker in started:
                    worker.saw(*await worker.handle.progress.remote())
        except TimeoutError:
            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            have = resources.get("CPU", 0)
            raise DataError(
                f"{workers} Ray workers need {workers} free CPUs and did not start within {_START_TIMEOUT_S} s; the cluster has "
                f"{have:g} CPUs in all. Lower run.workers or free the cluster."
            ) from None
        except RayActorError as error:
            raise DataError(f"a Ray worker could not be built: {_last_line(error)}") from error
        return cls(started, make)

    async def launch(self, item: WorkItem) -> None:
        self._held.append(item)
        self._assign()

    def _assign(self) -> None:
        ready = [worker for worker in self._workers if worker.life == "ready"]
        while self._held and ready:
            worker = min(ready, key=lambda candidate: candidate.items)
            worker.items += 1
            self._spawn(self._run(worker, self._held.popleft()))
        if all(worker.life == "gone" for worker in self._workers):
            while self._held:
                reason = "no Ray worker is left; see the Ray logs of the workers"
                self._events.put_nowait(WorkerLost(item_id=self._held.popleft().item_id, reason=reason))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, worker: _Worker, item: WorkItem) -> None:
        try:
            event = await worker.handle.run.remote(item)
        except RayActorError as error:
            self._lost(worker)
            event = WorkerLost(item_id=item.item_id, reason=_last_line(error))
        worker.items -= 1
        await self._events.put(event)

    def _lost(self, worker: _Worker) -> None:
        if worker.life == "ready":
            worker.life = "reviving"
            worker.retire()
            self._spawn(self._revive(worker))

    async def _revive(self, worker: _Worker) -> None:
        replacements = 0
        while worker.life == "reviving":
            try:
                worker.saw(*await worker.handle.progress.remote())
                if self._draining:
                    await worker.handle.drain.remote()
                elif self._bounded:
                    await worker.handle.allow.remote(0)
                worker.life = "ready"
            except ActorDiedError:
                replacements += 1
                if replacements > _REPLACEMENTS:
                    worker.life = "gone"
                else:
                    worker.handle = self._make()
            except RayActorError:
                await asyncio.sleep(_POLL_S)
        self._assign()

    async def events(self) -> AsyncIterator[PoolEvent]:
        while (event := await self._events.get()) is not None:
            yield event

    async def progress(self) -> Progress:
        await asyncio.gather(*(self._ask(worker) for worker in self._workers if worker.life == "ready"))
        return sum((worker.past + worker.current for worker in self._workers), Progress())

    async def _ask(self, worker: _Worker) -> None:
        try:
            worker.saw(*await worker.handle.progress.remote())
        except RayActorError:
            self._lost(worker)

    async def allow(self, calls: int | None) -> None:
        self._bounded = calls is not None
        ready = [worker for worker in self._workers if worker.life == "ready"]
        for index, worker in enumerate(ready):
            share = None if calls is None else (calls + index) // len(ready)
            await self._tell(worker, worker.handle.allow, share)

    async def drain(self) -> None:
        self._draining = True
        for worker in self._workers:
            if worker.life == "ready":
                await self._tell(worker, worker.handle.drain)

    async def _tell(self, worker: _Worker, method: Any, *words: int | None) -> None:
        try:
            await method.remote(*words)
        except RayActorError:
            self._lost(worker)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for worker in self._workers:
            ray.kill(worker.handle, no_restart=True)
        await self._events.put(None)


def _last_line(error: RayError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
