"""A bad network: passes requests on to a real server, and treats some of them badly on the way."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Literal, TypeAlias, get_args
from urllib.parse import urlsplit

Fate: TypeAlias = Literal[
    "pass",
    "busy",  # 503, and the server never hears of the request
    "slow_down",  # the same, as Amazon says it
    "conflict",  # 409, likewise
    "fail_before",  # 500, likewise
    "fail_after",  # 500, though the server has done it
    "lose_answer",  # the server has done it, and the connection breaks before the answer
    "cut_body",  # the answer ends in its middle
    "slow_body",  # the answer comes in small pieces
]
TROUBLES: tuple[Fate, ...] = get_args(Fate)[1:]
_STATUS = {"busy": 503, "slow_down": 503, "conflict": 409, "fail_before": 500, "fail_after": 500}
_BODIES = {"slow_down": b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"}
_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "date", "server"}
PIECES, PIECE_PAUSE_S = 8, 0.02


@dataclass(slots=True)
class LossyProxy:
    target: str
    # address of the real server, http://host:port
    url: str = ""
    fates: list[Fate] = field(default_factory=list)
    # what happens to the next requests; afterwards all pass
    requests: list[str] = field(default_factory=list)
    # method and path of each request that came

    def next_fate(self) -> Fate:
        try:
            return self.fates.pop(0)
        except IndexError:
            return "pass"


def random_fates(seed: int, *, count: int, trouble: float = 0.2) -> list[Fate]:
    """Of so many requests; each meets one of TROUBLES with probability `trouble`."""
    chance = random.Random(seed)
    return [chance.choice(TROUBLES) if chance.random() < trouble else "pass" for _ in range(count)]


@contextmanager
def lossy_proxy(target: str) -> Iterator[LossyProxy]:
    proxy = LossyProxy(target=target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            proxy.requests.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fate = proxy.next_fate()
            match fate:
                case "busy" | "slow_down" | "conflict" | "fail_before":
                    self._answer(_refusal(fate))
                    return
                case _:
                    answer = _forward(proxy.target, self, body)
            match fate:
                case "lose_answer":
                    self.close_connection = True
                case "fail_after":
                    self._answer(_refusal(fate))
                case "cut_body":
                    self._answer(answer, sent=len(answer.body) // 2)
                    self.close_connection = True
                case "slow_body":
                    self._answer(answer, pause_s=PIECE_PAUSE_S)
                case _:
                    self._answer(answer)

        do_PUT = do_DELETE = do_POST = do_HEAD = do_GET

        def _answer(self, answer: _Answer, *, sent: int | None = None, pause_s: float = 0.0) -> None:
            """The first `sent` bytes of the body, in pieces if there is to be a pause after each."""
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            body = answer.body[:sent]
            size = -(-len(body) // PIECES) if pause_s else len(body)
            for start in range(0, len(body), size or 1):
                self.wfile.write(body[start : start + size])
                time.sleep(pause_s)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.url = f"http://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def _refusal(fate: Fate) -> _Answer:
    body = _BODIES.get(fate, b"")
    return _Answer(_STATUS[fate], {"Content-Length": str(len(body))}, body)


def _forward(target: str, request: BaseHTTPRequestHandler, body: bytes) -> _Answer:
    """The Host header goes on as it came: the signature covers it."""
    connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=30)
    try:
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        answered = answer.read()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_CONNECTION}
        return _Answer(answer.status, {"Content-Length": str(len(answered)), **headers}, answered)
    finally:
        connection.close()
