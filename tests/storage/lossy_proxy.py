"""A bad network: passes requests on to a real server, and treats some of them badly on the way."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Literal
from urllib.parse import urlsplit

Fate = Literal["pass", "lose_answer", "busy", "conflict"]


@dataclass(slots=True)
class LossyProxy:
    target: str
    # address of the real server, http://host:port
    url: str = ""
    fates: list[Fate] = field(default_factory=list)
    # what happens to the next requests; afterwards all pass
    requests: list[str] = field(default_factory=list)
    # method and path of each request that came


@contextmanager
def lossy_proxy(target: str) -> Iterator[LossyProxy]:
    proxy = LossyProxy(target=target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            proxy.requests.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fate = proxy.fates.pop(0) if proxy.fates else "pass"
            if fate in ("busy", "conflict"):
                self._answer(503 if fate == "busy" else 409, b"")
                return
            status, answer = _forward(proxy.target, self, body)
            if fate == "lose_answer":
                self.close_connection = True
            else:
                self._answer(status, answer)

        do_PUT = do_GET

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

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


def _forward(target: str, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
    """The Host header goes on as it came: the signature covers it."""
    connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=30)
    try:
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
