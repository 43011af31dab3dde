"""One request over HTTP: when it leaves, and that all of it does."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from actors.chat_http import HttpAnswer, HttpSender
from actors.chat_key import ApiKey
from tests.chat.samples import endpoint

BUSY_S = 0.5
LARGE = 900_000
# more than sockets take at once, in one piece
STREAMED = 3_000_000


@dataclass(slots=True)
class Listener:
    """A server in a thread. It answers a request with the hash of its body; `read_pause_s` passes before it reads one."""

    url: str = ""
    read_pause_s: float = 0.0
    heard_at: list[float] = field(default_factory=list)


@contextmanager
def _listener() -> Iterator[Listener]:
    found = Listener()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            time.sleep(found.read_pause_s)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.heard_at.append(time.monotonic())
            told = hashlib.sha256(body).hexdigest().encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with _listener() as found:
        yield found


def _sender(listener: Listener) -> HttpSender:
    return HttpSender(endpoint(listener.url, "m"), url=listener.url, headers={}, key=ApiKey("", environ={}))


async def test_a_request_leaves_before_the_loop_does_other_work(listener: Listener) -> None:
    sender = _sender(listener)
    await sender.post(b"opens the connection")
    began = time.monotonic()
    asked = asyncio.create_task(sender.post(b"hello"))
    await asyncio.sleep(0)
    # the loop is busy with the episodes whose replies came in the same moment
    time.sleep(BUSY_S)
    assert isinstance(await asked, HttpAnswer)
    assert listener.heard_at[-1] < began + BUSY_S
    await sender.close()


@pytest.mark.parametrize("size", [0, 10, LARGE, STREAMED])
async def test_all_of_a_body_arrives_at_a_server_that_is_slow_to_read(listener: Listener, size: int) -> None:
    listener.read_pause_s = 0.2
    sender, body = _sender(listener), bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    answers = await asyncio.gather(*(sender.post(body) for _ in range(3)))
    assert {isinstance(answer, HttpAnswer) and answer.body for answer in answers} == {
        hashlib.sha256(body).hexdigest().encode()
    }
    await sender.close()


async def test_a_request_that_is_given_up_while_it_is_written_leaves_nothing_behind(listener: Listener) -> None:
    listener.read_pause_s = 1.0
    sender = _sender(listener)
    asked = asyncio.create_task(sender.post(b"x" * LARGE))
    await asyncio.sleep(0.3)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    listener.read_pause_s = 0.0
    assert isinstance(await sender.post(b"hello"), HttpAnswer)
    await sender.close()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
