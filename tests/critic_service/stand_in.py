"""A replica without an engine: it answers, and does what the opening of the conversation tells it to.

"die once": the first process that hears it dies, a later one answers. "die always": every one dies. "wait": no answer, until it is
cancelled. "refuse": the question does not fit. "full": the first time, come again later.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from actors.critic_cancelling import Cancelled, Cancelling
from actors.critic_service import Ask, CriticStats
from actors.ray_workers.critic_replica import Refusal
from rollouts.episode import Approve, PaidReply, Usage
from rollouts.errors import DataError, FailureKind, RolloutError
from rollouts.protocols import Judgement


class StandIn:
    """Has the methods of `actors.ray_workers.critic_replica.CriticReplica`; the test applies `ray.remote`."""

    def __init__(self, folder: str, name: str) -> None:
        self._folder = Path(folder)
        self._name = name
        self._is_ready = False
        self._waiting = 0
        self._cancelling = Cancelling()

    async def ready(self) -> int | DataError:
        if (self._folder / "broken").exists():
            return DataError("the disk is gone")
        self._is_ready = True
        return os.getpid()

    async def answer(self, ask: Ask) -> Judgement | RolloutError | Refusal:
        if not self._is_ready:
            return Refusal.LOADING
        text = ask.messages[1]["content"]
        with (self._folder / "sent").open("a") as log:
            log.write(f"{ask.seed}\n")
        if "refuse" in text:
            return RolloutError("too long", kind=FailureKind.CONTEXT_LENGTH)
        if "die once" in text and not (self._folder / "died").exists():
            (self._folder / "died").touch()
            os._exit(1)
        if "die always" in text:
            os._exit(1)
        if "full" in text and not (self._folder / "was full").exists():
            (self._folder / "was full").touch()
            return Refusal.BUSY
        if "wait" in text:
            try:
                await self._cancelling.run(ask.ticket, self._wait())
            except Cancelled:
                return Refusal.CANCELLED
        reply = PaidReply(model=self._name, prompt_tokens=len(text))
        return Judgement(verdict=Approve(), score=1.0, usage=Usage(prompt_tokens=len(text), replies=(reply,)))

    async def _wait(self) -> None:
        self._waiting += 1
        try:
            await asyncio.sleep(3600)
        finally:
            self._waiting -= 1

    async def cancel(self, ticket: str) -> None:
        self._cancelling.cancel(ticket)

    async def stats(self) -> CriticStats:
        return CriticStats(waiting=self._waiting)
