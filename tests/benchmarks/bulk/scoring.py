"""`treeroll score` on a run of real τ² retail tasks, as processes of their own: memory, pace, and what a kill costs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from storage.reader import scan
from tests.needs import REPOSITORY

BATCH = 1024
LATENCY_S = 0.05
IN_FLIGHT = 256
_COMMAND = (sys.executable, "-m", "infra.cli")


@dataclass(frozen=True, slots=True)
class Server:
    port: int

    @property
    def asked(self) -> int:
        with urlopen(f"http://127.0.0.1:{self.port}/", timeout=10) as response:
            return int(response.read())


@contextmanager
def _server() -> Iterator[Server]:
    command = [sys.executable, "-m", "tests.benchmarks.bulk.endpoint", "--latency-s", str(LATENCY_S)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(int(process.stdout.readline()))
        finally:
            process.kill()


def bulk_rows(tasks: int) -> list[list[str]]:
    """The rows of the benchmark's table."""
    with tempfile.TemporaryDirectory() as folder, _server() as server:
        root, config = Path(folder) / "root", Path(folder) / "critic.toml"
        _play(root, tasks)
        critic = (
            f'[critic]\nkind = "chat"\nmode = "score"\nmodel = "m"\nbase_url = "http://127.0.0.1:{server.port}/v1"\n'
        )
        config.write_text(critic + f"[run]\nmax_in_flight = {IN_FLIGHT}\n")
        other = Path(folder) / "other"
        shutil.copytree(root, other)
        whole = _Scoring(root, config)
        whole.watch(lambda: False)
        drafts, before = whole.result["verdicts"]["drafts"], server.asked
        killed = _Scoring(other, config)
        killed.watch(lambda: server.asked - before > 0.6 * drafts, kill=True)
        kept = scan(str(other), "verdicts").collect().height
        again = _Scoring(other, config)
        again.watch(lambda: False)
        repeated = server.asked - before - drafts
    same = again.result["content_hash"] == whole.result["content_hash"]
    return [
        ["bulk: drafts of the run, each once", f"{drafts:,}", "≥ 10,000"],
        [
            f"drafts per second, {IN_FLIGHT} at once, {1000 * LATENCY_S:g} ms each",
            f"{drafts / whole.scoring_s:,.0f}",
            "",
        ],
        [
            "peak memory above the start",
            f"{whole.peak_mb - whole.start_mb:,.0f} MB (start {whole.start_mb:,.0f})",
            "≤ 1 GB",
        ],
        [f"killed with {kept:,} kept: questions asked again", f"{repeated:,}", f"≤ {BATCH:,} (one batch)"],
        ["verdicts then the same as undisturbed", "yes" if same else "NO", "yes"],
    ]


def _play(root: Path, tasks: int) -> None:
    options = [f"tasks.count={tasks}", "branching.forked_trunks=2", 'run.pool="local"', f'storage.root="{root}"']
    command = [*_COMMAND, "run", "quickstart", *(part for option in options for part in ("--set", option))]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)


class _Scoring:
    """The command, and its memory while it runs."""

    def __init__(self, root: Path, critic: Path) -> None:
        command = [*_COMMAND, "score", "--root", str(root), "--critic", str(critic), "--batch", str(BATCH), "--json"]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.result: dict[str, Any] = {}
        self.start_mb = self.peak_mb = self.scoring_s = 0.0

    def watch(self, enough: Callable[[], bool], *, kill: bool = False) -> None:
        """To its end, or until there is enough. It starts when it says what it will do, having read nothing."""
        assert self._process.stderr is not None
        self._process.stderr.readline()
        self.start_mb, began = self._memory_mb("VmRSS"), time.monotonic()
        while self._process.poll() is None and not enough():
            self.peak_mb = max(self.peak_mb, self._memory_mb("VmHWM"))
            time.sleep(0.02)
        if kill:
            self._process.kill()
        out, _ = self._process.communicate()
        self.scoring_s = time.monotonic() - began
        if not kill:
            self.result = json.loads(out)
            self.scoring_s = self.result["session"]["wall_s"]

    def _memory_mb(self, name: str) -> float:
        try:
            lines = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except FileNotFoundError:
            return 0.0
        return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)
