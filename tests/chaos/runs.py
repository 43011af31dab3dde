"""The small runs that storms strike: who plays them, where their rows go, and how far they have come."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Literal, TypeAlias

from storage.layout import markers_prefix
from storage.objects import TendedStore, open_store
from tests.benchmarks.orchestration import answered, endpoint
from tests.chaos.mortal_server import MortalServer, mortal_s3_server
from tests.chaos.schedule import Target
from tests.end_to_end.process import COMMAND, descendants, settings
from tests.needs import REPOSITORY

RUN_ID = "storm"
LATENCY_S = 0.1
# of the endpoint
IN_FLIGHT = 8
FLUSH_S = 0.5
# calls of so long, beside those in flight, may be lost with a process
STAND_INS_PLAY_MORE = 3
# times as many tasks: they are quick


Players: TypeAlias = Literal["models", "stand-ins"]
# chat actor and user behind an endpoint that counts, or the scripted ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    players: Players
    pool: Literal["local", "ray"]
    where: Literal["directory", "s3"]

    def __str__(self) -> str:
        return f"{self.players} / {self.pool} / {self.where}"

    @property
    def targets(self) -> tuple[Target, ...]:
        found: list[Target] = ["driver"]
        found += ["worker"] * 3 if self.pool == "ray" else []
        found += ["server", "driver and server"] if self.where == "s3" else []
        return tuple(found)

    @property
    def stride(self) -> int:
        """The most progress between two blows."""
        return 80 if self.players == "models" else 4


@dataclass(slots=True)
class Place:
    """Where one run's rows go, and the endpoint that its models are at."""

    setting: Setting
    tasks: int
    root: str
    url: str
    # of the endpoint; empty for stand-ins
    server: MortalServer | None
    log: IO[bytes]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def endpoint_url(self) -> str:
        return self.server.server.endpoint_url if self.server else ""

    @property
    def where(self) -> list[str]:
        """Options of every command, beside --root."""
        return ["--endpoint-url", self.endpoint_url] if self.endpoint_url else []

    @property
    def store(self) -> TendedStore:
        return open_store(self.root, endpoint_url=self.endpoint_url)

    def play(self, *overrides: str) -> subprocess.Popen[bytes]:
        """Start the run or go on with it: the same command does both."""
        chosen = settings([*self.overrides(), *overrides])
        command = [*COMMAND, "run", "smoke", "--root", self.root, "--run-id", RUN_ID, *chosen]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True, cwd=REPOSITORY
        )
        self.processes.append(process)
        return process

    def progress(self) -> int:
        """Calls that the endpoint was asked for, or, of stand-ins, items published."""
        return answered(self.url) if self.url else len(list(self.store.list(markers_prefix(RUN_ID))))

    def overrides(self) -> list[str]:
        chosen = self.setting
        common = [
            f"tasks.count={self.tasks * (1 if self.url else STAND_INS_PLAY_MORE)}",
            f"run.pool={chosen.pool}",
            f"run.max_in_flight={IN_FLIGHT}",
            f"run.journal_flush_s={FLUSH_S}",
            f"storage.endpoint_url={self.endpoint_url}",
            "branching.trunks=2",
        ]
        if chosen.players == "stand-ins":
            return [*common, "branching.width=3", "branching.rollouts=6"]
        roles = {
            f"{role}.{key}": value
            for role in ("actor", "user")
            for key, value in (("kind", "chat"), ("base_url", f"{self.url}/v1"), ("model", role))
        }
        return [*common, "branching.rollouts=1", *(f"{key}={value}" for key, value in roles.items())]


@contextmanager
def place(setting: Setting, folder: Path, *, tasks: int) -> Iterator[Place]:
    """Everything the run needs, alive until the end of the block; afterwards nothing of it is."""
    folder.mkdir(parents=True)
    with (folder / "log").open("wb") as log, _models(setting) as url, _server(setting, folder / "s3") as server:
        root = f"s3://{server.server.bucket}/storm" if server else str(folder / "root")
        found = Place(setting=setting, tasks=tasks, root=root, url=url, server=server, log=log)
        try:
            yield found
        finally:
            for process in found.processes:
                kill_all(process)


@contextmanager
def _models(setting: Setting) -> Iterator[str]:
    if setting.players == "stand-ins":
        yield ""
        return
    with endpoint(LATENCY_S) as url:
        yield url


@contextmanager
def _server(setting: Setting, folder: Path) -> Iterator[MortalServer | None]:
    if setting.where == "directory":
        yield None
        return
    with mortal_s3_server(folder) as server:
        yield server


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL the driver and everything below it."""
    if process.poll() is None:
        for pid in [process.pid, *descendants(process.pid)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    process.wait()


def workers(process: subprocess.Popen[bytes]) -> list[int]:
    """The Ray actors of a run that play episodes, by process id."""
    return sorted(pid for pid, line in descendants(process.pid).items() if "EpisodeWorker" in line)


def wait_for(condition: Callable[[], bool], *, timeout_s: float, look_s: float = 0.05) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(look_s)
    return True
