"""`treeroll` as a stranger runs it: a process of its own, and what lies in the root afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "infra.cli")
SMALL = ("tasks.count=6", "branching.rollouts=3", "branching.width=3", "branching.trunks=3")
TIMEOUT_S = 180


def settings(overrides: Sequence[str]) -> list[str]:
    return [part for override in overrides for part in ("--set", override)]


def treeroll(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, env={**os.environ, **(env or {})}
    )


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


def status(root: Path | str, *arguments: str) -> dict[str, Any]:
    done = treeroll("status", "--root", str(root), "--json", *arguments)
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


def num_markers(root: Path) -> int:
    return len(list(root.glob("runs/*/markers/*.json")))


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 90.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "the awaited did not happen in time"
        time.sleep(0.02)


def descendants(pid: int) -> dict[int, str]:
    """Process id → command line of everything below `pid`."""
    parents: dict[int, int] = {}
    lines: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                lines[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError):
                continue
    below, found = {pid}, dict[int, str]()
    while new := {child for child, parent in parents.items() if parent in below and child not in found}:
        found |= {child: lines[child] for child in new}
        below = new
    return found
