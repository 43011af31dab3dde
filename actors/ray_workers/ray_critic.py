"""The critic as a worker sees it: questions out to the replicas, judgements back.

Invariants: every question gives one judgement or one RolloutError; a question whose replica died is sent once more, to another
replica if there is one, and never a third time; a replica that was lost gets nothing until it is loaded and warm again; whoever
stops waiting (branch ended, deadline passed) frees its place in the replica.

A replica's life, for one worker: READY → REVIVING → READY | GONE
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ray.exceptions import ActorDiedError, RayActorError

from actors.critic_admission import Priority
from actors.critic_routing import Route, Router, prefix_key
from actors.critic_service import Ask
from actors.paid import all_paid
from actors.ray_workers.critic_pool import CriticReplicas
from actors.ray_workers.critic_replica import Refusal
from labeling.rubric import ChatMessage, critic_messages, score_messages
from rollouts.errors import DataError, FailureKind, RolloutError, UsageError
from rollouts.protocols import Judgement, Question

_SENDS = 2
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
# between two attempts at a replica that is full or dead
_MAX_IMBALANCE = 64
# questions; one away from home computes its whole prefix, which costs as much as many at home: only a replica that is about to run
# dry should get one. With 16, 1 in 16 questions of 20 trees left home, and half of all computed tokens were theirs


class RayCritic:
    """Implements `rollouts.protocols.Critic`. One per worker process."""

    def __init__(
        self,
        replicas: CriticReplicas,
        *,
        max_out: int,
        timeout_s: float,
        priority: Priority = "live",
        key: Callable[[Sequence[ChatMessage]], bytes] = prefix_key,
    ) -> None:
        """`max_out`: questions of this worker that may be at the replicas at once; the others wait here.

        `timeout_s`: of one question, from being sent first. `key`: questions with one key have one home.
        """
        self._handles = replicas.handles
        self._settings = replicas.settings
        self._render: Callable[[Question], list[ChatMessage]] = (
            score_messages if self._settings.mode == "score" else critic_messages
        )
        self._router = Router(replicas=len(replicas.handles), max_imbalance=_MAX_IMBALANCE)
        self._slots = asyncio.Semaphore(max_out)
        self._timeout_s = timeout_s
        self._priority = priority
        self._key = key
        self._tickets = map(f"{uuid.uuid4().hex}.{{}}".format, itertools.count())
        self._reviving: dict[int, asyncio.Task[None]] = {}
        self._gone: dict[int, str] = {}
        self._changed = asyncio.Event()

    @property
    def identity(self) -> str:
        return self._settings.identity

    @property
    def routed(self) -> Mapping[str, int]:
        """Questions sent so far, by the reason of their route (`actors.critic_routing.Reason`)."""
        return dict(self._router.reasons)

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        """Raises RolloutError when one of the questions gets no answer; its usage is that of the whole batch."""
        return await all_paid(self._judge(question) for question in questions)

    async def _judge(self, question: Question) -> Judgement:
        async with self._slots:
            ask = Ask(
                messages=self._render(question), seed=question.seed, ticket=next(self._tickets), priority=self._priority
            )
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await self._answer(ask)
            except TimeoutError:
                raise RolloutError(
                    f"the critic gave no answer within {self._timeout_s:g} s", kind=FailureKind.TIMEOUT
                ) from None

    async def _answer(self, ask: Ask) -> Judgement:
        key = self._key(ask.messages)
        died: list[int] = []
        pause_s = _FIRST_PAUSE_S
        while len(died) < _SENDS:
            route = await self._route(key, avoid=died)
            try:
                answer = await self._send(route, replace(ask, reason=route.reason))
            except RayActorError:
                self._lost(route.replica)
                died.append(route.replica)
                continue
            finally:
                self._router.done(route)
            match answer:
                case Judgement():
                    return answer
                case RolloutError():
                    raise answer
                case Refusal.LOADING:
                    self._lost(route.replica)
                case Refusal.BUSY:
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        raise RolloutError(
            f"{_SENDS} critic replicas died with this question; it is not sent again", kind=FailureKind.INFRASTRUCTURE
        )

    async def _send(self, route: Route, ask: Ask) -> Judgement | RolloutError | Refusal:
        replica = self._handles[route.replica]
        try:
            found: Judgement | RolloutError | Refusal = await replica.answer.remote(ask)
        except asyncio.CancelledError:
            replica.cancel.remote(ask.ticket)
            raise
        return found

    async def _route(self, key: bytes, *, avoid: Sequence[int]) -> Route:
        """Waits while every replica is being revived."""
        while (route := self._router.route(key, avoid=avoid)) is None:
            if len(self._gone) == len(self._handles):
                reason = next(iter(self._gone.values()))
                raise RolloutError(
                    f"no critic replica is left: {reason}; see the Ray logs of the replicas",
                    kind=FailureKind.INFRASTRUCTURE,
                    fatal=True,
                )
            self._changed.clear()
            await self._changed.wait()
        return route

    # -- lost replicas ------------------------------------------------------------------------------------------------

    def _lost(self, replica: int) -> None:
        if replica not in self._reviving and replica not in self._gone:
            self._router.lost(replica)
            self._reviving[replica] = asyncio.create_task(self._revive(replica))

    async def _revive(self, replica: int) -> None:
        """Ray starts the process again; it is asked to get ready, and gets traffic once it is."""
        while True:
            try:
                found = await self._handles[replica].ready.remote()
            except ActorDiedError as error:
                found = DataError(str(error))
            except RayActorError:
                await asyncio.sleep(_LONGEST_PAUSE_S)
                continue
            break
        del self._reviving[replica]
        if isinstance(found, UsageError | DataError):
            self._gone[replica] = str(found)
        else:
            self._router.back(replica)
        self._changed.set()

    async def close(self) -> None:
        """Questions that are out must have ended; the replicas stay."""
        tasks: list[asyncio.Task[None]] = list(self._reviving.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
