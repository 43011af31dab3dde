"""The Ray actor around one critic engine: a shell that adds a process and nothing else.

Its life: STARTED → READY (asked to get ready: model loaded, warmed up) → gone. A dead engine takes the process with it, so that Ray
starts it anew. What goes wrong with a question is returned, not raised: Ray would wrap it.
"""

from __future__ import annotations

import asyncio
import os
import time
from enum import StrEnum

from actors.critic_admission import Busy
from actors.critic_cancelling import Cancelled
from actors.critic_service import Ask, CriticService, CriticStats, EngineLost
from actors.critic_settings import CriticSettings
from actors.ray_workers.critic_metrics import ReplicaMetrics, tell_for_ever
from rollouts.errors import DataError, RolloutError, UsageError
from rollouts.protocols import Judgement


class Refusal(StrEnum):
    """The question was not taken."""

    BUSY = "busy"
    LOADING = "loading"
    CANCELLED = "cancelled"
    # by the asker, who does not see this


class CriticReplica:
    """An async actor. The pool applies `ray.remote` to it."""

    def __init__(self, settings: CriticSettings) -> None:
        self._settings = settings
        self._service: CriticService | None = None
        self._opening = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None

    async def ready(self) -> int | UsageError | DataError:
        """Load the model, if it is not loaded yet. The process id, or why it cannot be done."""
        async with self._opening:
            try:
                self._service = self._service or await self._open()
            except (UsageError, DataError) as error:
                return error
            except EngineLost:
                os._exit(1)
            return os.getpid()

    async def _open(self) -> CriticService:
        from actors.vllm_critic import open_engine

        service = CriticService(open_engine(self._settings), self._settings, clock=time.monotonic)
        await service.warm_up()
        self._telling = asyncio.create_task(tell_for_ever(ReplicaMetrics(self._settings.model), service.stats))
        return service

    async def answer(self, ask: Ask) -> Judgement | RolloutError | Refusal:
        if self._service is None:
            return Refusal.LOADING
        try:
            return await self._service.answer(ask)
        except Busy:
            return Refusal.BUSY
        except Cancelled:
            return Refusal.CANCELLED
        except RolloutError as error:
            return error
        except EngineLost:
            os._exit(1)

    async def cancel(self, ticket: str) -> None:
        if self._service is not None:
            self._service.cancel(ticket)

    async def stats(self) -> CriticStats:
        return self._service.stats() if self._service else CriticStats()
