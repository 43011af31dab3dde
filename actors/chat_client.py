"""One client for one endpoint: a request goes in; a reply or a typed failure comes out, after bounded retries.

A call's life: WAITING for a connection → AT THE GATE → SENT → REPLIED | FAULTY → (asleep → WAITING again | RolloutError).
Only the SENT stage is under the deadlines. Each request that passed the gate leaves it exactly once, however it ends.
No text, log or repr of this module contains the key.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from actors.chat_accounting import usage_of
from actors.chat_codec import codec_of
from actors.chat_endpoint import Endpoint
from actors.chat_faults import Fault, refused
from actors.chat_gate import Gate, NoGate
from actors.chat_http import MAX_REPLY_BYTES, HttpAnswer, HttpSender
from actors.chat_key import ApiKey
from actors.chat_refusals import Asked, fault_of_answer, fault_of_no_completion
from actors.chat_retry import delay_s, retry_after_s
from actors.chat_wire import ChatRequest, Decoded, NoCompletion, Reply
from rollouts.errors import FailureKind, RolloutError

BYTES_PER_TOKEN = 4
# of a request, as an estimate before the endpoint has counted it


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    request: ChatRequest
    body: bytes
    estimated_tokens: int
    began_s: float


class ChatClient:
    """Serves one event loop. The first call opens the connections; `close` gives them back, and no call may follow it."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        jitter: random.Random,
        gate: Gate = NoGate(),
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """UsageError when the endpoint's key is not in the environment. `wall_clock` reads the dates in Retry-After."""
        self._endpoint = endpoint
        self._key = ApiKey(endpoint.api_key_env, environ=environ)
        self._codec = codec_of(endpoint)
        self._http = HttpSender(endpoint, url=self._codec.url, headers=self._codec.headers, key=self._key)
        self._gate = gate
        self._jitter = jitter
        self._sleep = sleep
        self._clock = clock
        self._wall_clock = wall_clock
        self._slots = asyncio.Semaphore(endpoint.max_connections)
        # the pool has as many connections, so that a wait happens here, outside the deadline

    def __repr__(self) -> str:
        return f"ChatClient({self._endpoint.model!r} at {self._endpoint.base_url})"

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    async def complete(self, request: ChatRequest) -> Reply:
        """One reply. RolloutError says what the endpoint did; `actors.chat_refusals` has the table of kinds."""
        body = self._codec.encode(request)
        estimate = len(body) // BYTES_PER_TOKEN + (request.max_tokens or self._endpoint.max_tokens)
        call = _Call(request=request, body=body, estimated_tokens=estimate, began_s=self._clock())
        attempt = 1
        while isinstance(outcome := await self._attempt(call, attempt), Fault):
            if not outcome.retryable or attempt > self._endpoint.max_retries:
                raise self._error(outcome, attempt)
            await self._sleep(delay_s(attempt, retry_after_s=outcome.retry_after_s, jitter=self._jitter))
            attempt += 1
        return outcome

    async def close(self) -> None:
        await self._http.close()

    async def _attempt(self, call: _Call, attempt: int) -> Reply | Fault:
        """The gate is entered with a connection at hand, so that no capacity is held by a request that waits for one."""
        outcome: Reply | Fault | None = None
        async with self._slots:
            await self._gate.enter(tokens=call.estimated_tokens)
            try:
                sent_s = self._clock()
                answer = await self._http.post(call.body)
                outcome = self._outcome(answer, call, attempt, sent_s=sent_s)
                return outcome
            finally:
                self._leave(outcome, call)

    def _leave(self, outcome: Reply | Fault | None, call: _Call) -> None:
        """What a request used is its estimate where nobody counted: no answer came, or it was cancelled."""
        match outcome:
            case Reply():
                tokens = outcome.usage.prompt_tokens + outcome.usage.completion_tokens or call.estimated_tokens
                self._gate.leave(overloaded=False, tokens=tokens, retry_after_s=None)
            case Fault():
                tokens = 0 if outcome.overloaded else call.estimated_tokens
                self._gate.leave(overloaded=outcome.overloaded, tokens=tokens, retry_after_s=outcome.retry_after_s)
            case None:
                self._gate.leave(overloaded=False, tokens=call.estimated_tokens, retry_after_s=None)

    def _outcome(self, answer: HttpAnswer | Fault, call: _Call, attempt: int, *, sent_s: float) -> Reply | Fault:
        if isinstance(answer, Fault):
            return answer
        if answer.status != 200:
            return self._fault(answer, call)
        try:
            decoded = self._decoded(answer, call.request)
        except NoCompletion as wrong:
            return fault_of_no_completion(str(wrong), body=answer.body, key=self._key)
        usage = usage_of(
            decoded,
            endpoint=self._endpoint,
            attempts=attempt,
            wait_s=sent_s - call.began_s,
            latency_s=self._clock() - sent_s,
        )
        if decoded.finish_reason == "content_filter":
            cut = refused("the endpoint's content filter cut the reply off", kind=FailureKind.CONTENT_FILTER)
            return replace(cut, usage=usage)
        return Reply(
            text=decoded.text,
            tool_calls=decoded.tool_calls,
            reasoning=decoded.reasoning,
            finish_reason=decoded.finish_reason,
            usage=usage,
            attempts=attempt,
            first_token=decoded.first_token,
        )

    def _decoded(self, answer: HttpAnswer, request: ChatRequest) -> Decoded:
        if len(answer.body) > MAX_REPLY_BYTES:
            raise NoCompletion(f"it is larger than {MAX_REPLY_BYTES} bytes")
        if "json" not in answer.content_type:
            raise NoCompletion(f"its content type is {answer.content_type!r}, not application/json")
        return self._codec.decode(answer.body, request)

    def _fault(self, answer: HttpAnswer, call: _Call) -> Fault:
        asked = Asked(
            model=self._endpoint.model, url=self._codec.url, key=self._key, with_tools=bool(call.request.tools)
        )
        return fault_of_answer(answer, asked=asked, retry_after_s=retry_after_s(answer.headers, now=self._wall_clock()))

    def _error(self, fault: Fault, attempts: int) -> RolloutError:
        tried = f" (gave up after {attempts} attempts)" if attempts > 1 else ""
        where = f"{self._endpoint.model!r} at {self._endpoint.base_url}"
        return RolloutError(f"{where}: {fault.message}{tried}", kind=fault.kind, fatal=fault.fatal, usage=fault.usage)
