"""One request over HTTP, and its answer or what broke. Only this file and `actors.chat_eager_request` know aiohttp.

What aiohttp raises holds the request's headers, and so the key: it is turned into a `Fault` where it is caught and never
chained to what we raise.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from actors.chat_eager_request import REQUEST_CLASS
from actors.chat_endpoint import Endpoint
from actors.chat_faults import Fault, broken, refused
from actors.chat_key import ApiKey

MAX_REPLY_BYTES = 10 * 1024 * 1024
MAX_PLAIN_BODY_BYTES = 1024 * 1024
# aiohttp warns about a larger bytes object and takes a stream instead
DNS_CACHE_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    # longer than MAX_REPLY_BYTES where the whole was: it is read no further


class HttpSender:
    """Serves one event loop. The first `post` opens the pool of connections; `close` gives it back, and no `post` may follow."""

    def __init__(self, endpoint: Endpoint, *, url: str, headers: Mapping[str, str], key: ApiKey) -> None:
        self._endpoint = endpoint
        self._url = url
        self._headers = headers
        self._key = key
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, body: bytes) -> HttpAnswer | Fault:
        data = body if len(body) <= MAX_PLAIN_BODY_BYTES else io.BytesIO(body)
        try:
            async with self._open_session().post(self._url, data=data, allow_redirects=False) as response:
                return await _read(response)
        except aiohttp.ConnectionTimeoutError:
            return broken(f"no connection within connect_timeout_s = {self._endpoint.connect_timeout_s:g}")
        except aiohttp.SocketTimeoutError:
            return broken(f"nothing came within first_byte_timeout_s = {self._endpoint.first_byte_timeout_s:g}")
        except TimeoutError:
            return broken(f"no complete reply within timeout_s = {self._endpoint.timeout_s:g}")
        except aiohttp.ClientConnectorCertificateError as error:
            return refused(f"its certificate is not trusted: {self._key.quote(str(error))}", fatal=True)
        except (aiohttp.ClientError, OSError) as error:
            return broken(f"the connection broke: {type(error).__name__} {self._key.quote(str(error))}".strip())

    async def close(self) -> None:
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        assert not self._closed, "the client was closed"
        if self._session is None:
            endpoint = self._endpoint
            sent = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "treeroll"}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=endpoint.max_connections, ttl_dns_cache=DNS_CACHE_S),
                timeout=aiohttp.ClientTimeout(
                    total=endpoint.timeout_s,
                    connect=endpoint.connect_timeout_s,
                    sock_read=endpoint.first_byte_timeout_s,
                ),
                headers={**sent, **self._headers, **self._key.headers(endpoint.sent_key_header)},
                cookie_jar=aiohttp.DummyCookieJar(),
                request_class=REQUEST_CLASS,
            )
        return self._session


async def _read(response: aiohttp.ClientResponse) -> HttpAnswer:
    """The answer, its body read no further than just past MAX_REPLY_BYTES; a longer one costs the connection."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_REPLY_BYTES:
            response.close()
            break
    return HttpAnswer(
        status=response.status, content_type=response.content_type, headers=response.headers, body=bytes(body)
    )
