"""The S3-protocol server of the tests, which can be killed and comes back on the same ports with the same data."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rollouts.errors import DataError
from storage.objects import open_store
from tests.end_to_end.process import descendants
from tests.s3_server import START_TIMEOUT_S, S3Server, running_s3_server


@dataclass(slots=True)
class MortalServer:
    server: S3Server
    folder: Path
    command: list[str]
    pid: int
    revived: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        if self.revived:
            self.revived[-1].wait()

    def revive(self) -> None:
        """Returns once it answers."""
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                self.command, stdout=log, stderr=log, cwd=self.folder, env=os.environ | {"TMPDIR": str(self.folder)}
            )
        self.revived.append(process)
        self.pid = process.pid
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                list(open_store(f"s3://{self.server.bucket}", endpoint_url=self.server.endpoint_url).list("none/"))
            except DataError:
                assert time.monotonic() < deadline, f"the S3 server did not come back; see {self.folder / 'log'}"
            else:
                return


@contextmanager
def mortal_s3_server(folder: Path) -> Iterator[MortalServer]:
    """Its credentials are in the environment inside the block."""
    before = dict(os.environ)
    with running_s3_server(folder) as server:
        pid = next(pid for pid, line in descendants(os.getpid()).items() if f"-dir={folder}/" in line)
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")
        mortal = MortalServer(server=server, folder=folder, command=command, pid=pid)
        os.environ.update(server.environment)
        try:
            yield mortal
        finally:
            os.environ.clear()
            os.environ.update(before)
            for process in mortal.revived:
                process.kill()
                process.wait()
