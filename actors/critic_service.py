"""One critic's questions on their way through one engine: fitted to its window, admitted, answered, read, counted.

Invariants: a question gives exactly one judgement, or one error; one that is cancelled leaves the queue or the engine at once; a
verdict that cannot be read is None and never guessed. What an engine is stands in `Engine`; `actors.vllm_critic` is the real one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from typing import Protocol

from actors.critic_admission import Admission, Entrance, Priority
from actors.critic_cancelling import Cancelled, Cancelling
from actors.critic_fitting import Fitted, fit
from actors.critic_routing import Reason
from actors.critic_settings import CriticSettings
from labeling.rubric import LEAST_MASS, ChatMessage, parse_verdict, score_of, scored_verdict
from rollouts.episode import PaidReply, Usage
from rollouts.errors import FailureKind, RolloutError
from rollouts.protocols import Clock, Judgement

_WARM_UP: Sequence[ChatMessage] = (
    {"role": "system", "content": "Answer with one letter: A or R."},
    {"role": "user", "content": "<conversation>\n</conversation>"},
)


class EngineLost(Exception):
    """The engine's process is gone, and with it every question inside."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A question, rendered where it arose: what travels is text."""

    messages: Sequence[ChatMessage]
    seed: int
    ticket: str
    # under which it can be cancelled; no other question has the same
    priority: Priority = "live"
    reason: Reason = "prefix"
    # why it was sent to this replica


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    text: str
    first_token: Mapping[str, float]
    # log-probabilities of the score words in score mode, otherwise empty
    completion_tokens: int
    cached_tokens: int
    # those of the prompt that the engine did not compute again
    queued_s: float
    # inside the engine, before it was first scheduled
    finish_reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLoad:
    """What the engine last said of itself."""

    running: int = 0
    waiting: int = 0
    cache_used: float = 0.0
    # share of its key-value cache; of several engines, the fullest

    def __add__(self, other: EngineLoad) -> EngineLoad:
        return EngineLoad(
            running=self.running + other.running,
            waiting=self.waiting + other.waiting,
            cache_used=max(self.cache_used, other.cache_used),
        )


class Engine(Protocol):
    @property
    def window(self) -> int:
        """Tokens of prompt and answer together."""

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        """The prompt, by the model's own chat template. Called from one other thread."""

    async def generate(self, tokens: list[int], *, seed: int, priority: Priority) -> Reply:
        """Cancelling it aborts the request. Raises EngineLost."""

    def load(self) -> EngineLoad: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticStats:
    """Since the replica's process began; sums, so that those of several replicas add up."""

    questions: int = 0
    # answered
    unreadable: int = 0
    # of them, without a verdict
    abandoned: int = 0
    # cancelled by the asker: its branch ended, or its deadline passed
    too_long: int = 0
    # refused: they did not fit the window
    shortened: int = 0
    # answered with tool outputs left out
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_s: float = 0.0
    # before the engine and in its own queue; summed over questions
    engine_s: float = 0.0
    # of the engine's work, making tokens of the prompt included; summed over questions
    routed_prefix: int = 0
    # questions answered here by the reason of their route (actors.critic_routing.Reason); retried ones by their last
    routed_moved: int = 0
    routed_load: int = 0
    waiting: int = 0
    # now, before the engine
    engine: EngineLoad = field(default_factory=EngineLoad)

    def __add__(self, other: CriticStats) -> CriticStats:
        return CriticStats(**{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)})

    @property
    def hit_rate(self) -> float:
        """Share of prompt tokens that came from the prefix cache."""
        return self.cached_tokens / self.prompt_tokens if self.prompt_tokens else 0.0


_ROUTED: Mapping[Reason, CriticStats] = {
    "prefix": CriticStats(routed_prefix=1),
    "moved": CriticStats(routed_moved=1),
    "load": CriticStats(routed_load=1),
}


class CriticService:
    """The plain class inside a replica."""

    def __init__(self, engine: Engine, settings: CriticSettings, *, clock: Clock) -> None:
        self._engine = engine
        self._settings = settings
        self._clock = clock
        self._admission = Admission(max_running=settings.max_running, max_waiting=settings.max_waiting)
        self._entrance = Entrance(self._admission)
        self._tokenizing = ThreadPoolExecutor(1, thread_name_prefix="tokenizing")
        # tokenizers let go of the interpreter's lock, but are not made for two threads at once
        self._cancelling = Cancelling()
        self._done = CriticStats()

    async def warm_up(self) -> None:
        """One question through everything: the first one compiles grammars and kernels."""
        tokens = self._engine.encode(_WARM_UP)
        await self._engine.generate(tokens, seed=0, priority="live")

    async def answer(self, ask: Ask) -> Judgement:
        """Raises Busy, Cancelled, EngineLost, and RolloutError for a question that does not fit the window."""
        try:
            return await self._cancelling.run(ask.ticket, self._answer(ask))
        except (Cancelled, asyncio.CancelledError):
            self._done += CriticStats(abandoned=1)
            raise

    def cancel(self, ticket: str) -> None:
        """Nobody waits for this answer any more; the question may still be on its way."""
        self._cancelling.cancel(ticket)

    async def _answer(self, ask: Ask) -> Judgement:
        arrived = self._clock()
        async with self._entrance.inside(ask.priority):
            entered = self._clock()
            fitted = await self._fit(ask)
            reply = await self._engine.generate(fitted.tokens, seed=ask.seed, priority=ask.priority)
        self._done += _ROUTED[ask.reason]
        return self._judgement(fitted, reply, wait_s=entered - arrived, latency_s=self._clock() - entered)

    async def _fit(self, ask: Ask) -> Fitted:
        loop, window = asyncio.get_running_loop(), self._engine.window - self._settings.reply_tokens
        if self._settings.on_too_long == "truncate":
            fitted = await loop.run_in_executor(
                self._tokenizing, lambda: fit(ask.messages, encode=self._engine.encode, window=window)
            )
            if fitted is not None:
                return fitted
            problem = "even without any tool output"
        else:
            tokens = await loop.run_in_executor(self._tokenizing, self._engine.encode, ask.messages)
            if len(tokens) <= window:
                return Fitted(tokens=tokens, left_out=0)
            problem = f"with {len(tokens)}"
        self._done += CriticStats(too_long=1)
        raise RolloutError(
            f"the critic's question has more than the {window} tokens that its model takes, {problem}",
            kind=FailureKind.CONTEXT_LENGTH,
        )

    def _judgement(self, fitted: Fitted, reply: Reply, *, wait_s: float, latency_s: float) -> Judgement:
        settings = self._settings
        score = score_of(reply.first_token, least_mass=LEAST_MASS) if settings.mode == "score" else None
        if settings.mode == "critique":
            verdict = parse_verdict(reply.text)
        else:
            verdict = None if score is None else scored_verdict(score, threshold=settings.threshold)
        prompt_tokens = len(fitted.tokens)
        self._done += CriticStats(
            questions=1,
            unreadable=int(verdict is None),
            shortened=int(fitted.left_out > 0),
            prompt_tokens=prompt_tokens,
            cached_tokens=reply.cached_tokens,
            completion_tokens=reply.completion_tokens,
            queue_s=wait_s + reply.queued_s,
            engine_s=latency_s - reply.queued_s,
        )
        left_out = f"/left_out={fitted.left_out}" if fitted.left_out else ""
        # the row of the call is where it is recorded that the critic did not see everything
        paid = PaidReply(
            model=settings.model,
            prompt_tokens=prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cached_tokens=reply.cached_tokens,
            finish_reason=reply.finish_reason + left_out,
            wait_s=wait_s,
            latency_s=latency_s,
        )
        usage = Usage(
            prompt_tokens=prompt_tokens,
            completion_tokens=reply.completion_tokens,
            cached_tokens=reply.cached_tokens,
            replies=(paid,),
        )
        return Judgement(verdict=verdict, usage=usage, score=score)

    def stats(self) -> CriticStats:
        waiting = self._admission.waiting("live") + self._admission.waiting("bulk")
        return replace(self._done, waiting=waiting, engine=self._engine.load())

    def close(self) -> None:
        self._tokenizing.shutdown(wait=False, cancel_futures=True)
