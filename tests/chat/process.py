"""The server in a process of its own, for as long as a `with` block lasts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote
from urllib.request import urlopen

from tests.needs import REPOSITORY


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    asked: int
    open: int
    most_open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def requests(self, model: str) -> Requests:
        """What reached the server under this model name. Blocks; the client under test must not need the loop meanwhile."""
        with urlopen(f"http://127.0.0.1:{self.port}/requests?model={quote(model)}", timeout=10) as response:
            return Requests(**json.load(response))


@contextmanager
def running_server(*, latency_s: float = 0.0) -> Iterator[RunningServer]:
    command = [sys.executable, "-m", "tests.chat.server", "--until-stdin-closes", "--latency-s", str(latency_s)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the chat server ended before it printed its port"
        try:
            yield RunningServer(port=int(line))
        finally:
            process.kill()
