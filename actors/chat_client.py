"""One HTTP client for one endpoint: a request goes in; a reply or a typed failure comes out, after bounded retries.

A call's life: WAITING for a connection → SENT → REPLIED | FAULTY → (asleep → WAITING again | RolloutError).
Only the SENT stage is under the deadline. No text, log or repr of this module contains the key: what aiohttp raises holds
the request's headers, so it is turned into a `Fault` where it is caught and never chained to what we raise.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

import aiohttp

from actors.chat_endpoint import Endpoint
from actors.chat_faults import Fault, broken, fault_of_no_completion, fault_of_status, refused
from actors.chat_key import ApiKey
from actors.chat_openai import decode, encode
from actors.chat_retry import delay_s, retry_after_s
from actors.chat_wire import ChatRequest, NoCompletion, Reply
from rollouts.errors import RolloutError

MAX_REPLY_BYTES = 10 * 1024 * 1024
MAX_PLAIN_BODY_BYTES = 1024 * 1024
# aiohttp warns about a larger bytes object and takes a stream instead
DNS_CACHE_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes


class ChatClient:
    """Serves one event loop. The first call opens the connections; `close` gives them back, and no call may follow it."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        jitter: random.Random,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        wall_clock: Callable[[], float] = time.time,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """UsageError when the endpoint's key is not in the environment."""
        self._endpoint = endpoint
        self._key = ApiKey(endpoint.api_key_env, environ=environ)
        self._jitter = jitter
        self._sleep = sleep
        self._wall_clock = wall_clock
        self._slots = asyncio.Semaphore(endpoint.max_connections)
        # the connector has as many, so that a wait happens here, outside the deadline
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"ChatClient({self._endpoint.model!r} at {self._endpoint.base_url})"

    @property
    def endpoint(self) -> Endpoint:
        return self._endpoint

    async def complete(self, request: ChatRequest) -> Reply:
        """One reply. RolloutError says what the endpoint did; `actors.chat_faults` has the table of kinds."""
        body = encode(request, self._endpoint)
        attempt = 1
        while isinstance(outcome := await self._attempt(body), Fault):
            if not outcome.retryable or attempt > self._endpoint.max_retries:
                raise self._error(outcome, attempt)
            await self._sleep(delay_s(attempt, retry_after_s=outcome.retry_after_s, jitter=self._jitter))
            attempt += 1
        return replace(outcome, attempts=attempt)

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _attempt(self, body: bytes) -> Reply | Fault:
        answer = await self._post(body)
        if isinstance(answer, Fault):
            return answer
        if answer.status == 200:
            return self._reply(answer)
        wait_s = retry_after_s(answer.headers, now=self._wall_clock())
        return fault_of_status(
            answer.status, body=answer.body, retry_after_s=wait_s, endpoint=self._endpoint, key=self._key
        )

    async def _post(self, body: bytes) -> _Answer | Fault:
        data = body if len(body) <= MAX_PLAIN_BODY_BYTES else io.BytesIO(body)
        async with self._slots:
            try:
                async with self._open_session().post(
                    self._endpoint.completions_url, data=data, headers=self._key.headers(), allow_redirects=False
                ) as response:
                    return await _read(response)
            except TimeoutError:
                return broken(f"no complete reply in time ({self._deadlines()})")
            except aiohttp.ClientConnectorCertificateError as error:
                return refused(f"its certificate is not trusted: {self._key.quote(str(error))}", fatal=True)
            except (aiohttp.ClientError, OSError) as error:
                return broken(f"the connection broke: {type(error).__name__} {self._key.quote(str(error))}".strip())

    def _open_session(self) -> aiohttp.ClientSession:
        assert not self._closed, f"{self!r} was closed"
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._endpoint.max_connections, ttl_dns_cache=DNS_CACHE_S),
                timeout=aiohttp.ClientTimeout(total=self._endpoint.timeout_s, connect=self._endpoint.connect_timeout_s),
                headers={"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "treeroll"},
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _reply(self, answer: _Answer) -> Reply | Fault:
        try:
            if len(answer.body) > MAX_REPLY_BYTES:
                raise NoCompletion(f"it is larger than {MAX_REPLY_BYTES} bytes")
            if "json" not in answer.content_type:
                raise NoCompletion(f"its content type is {answer.content_type!r}, not application/json")
            reply = decode(answer.body, price=self._endpoint.price)
        except NoCompletion as wrong:
            return fault_of_no_completion(str(wrong), body=answer.body, key=self._key)
        if reply.finish_reason == "content_filter":
            return refused("the endpoint's content filter cut the reply off")
        return reply

    def _error(self, fault: Fault, attempts: int) -> RolloutError:
        tried = f" (gave up after {attempts} attempts)" if attempts > 1 else ""
        where = f"{self._endpoint.model!r} at {self._endpoint.base_url}"
        return RolloutError(f"{where}: {fault.message}{tried}", kind=fault.kind, fatal=fault.fatal)

    def _deadlines(self) -> str:
        return f"connect_timeout_s = {self._endpoint.connect_timeout_s:g}, timeout_s = {self._endpoint.timeout_s:g}"


async def _read(response: aiohttp.ClientResponse) -> _Answer:
    """The answer, its body read no further than just past MAX_REPLY_BYTES; a longer one costs the connection."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            response.close()
            break
    return _Answer(
        status=response.status, content_type=response.content_type, headers=response.headers, body=bytes(body)
    )
