"""A Ray head of a test's own: free ports, its own directory, ended with everything it started."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 10.0
OBJECT_STORE_BYTES = 100 * 1024 * 1024
_PORT_OPTIONS = (
    "--dashboard-port",
    "--port",
    "--ray-client-server-port",
    "--node-manager-port",
    "--object-manager-port",
    "--dashboard-agent-listen-port",
    "--dashboard-agent-grpc-port",
    "--metrics-export-port",
)


@contextmanager
def running_ray_head() -> Iterator[str]:
    """The address of the dashboard. The processes live in a session of their own and are killed with it: never `ray stop`."""
    folder = Path(tempfile.mkdtemp(prefix="trh-", dir="/tmp"))
    # short: Unix sockets go below it, and their paths have room for 107 bytes
    ports = _free_ports(len(_PORT_OPTIONS))
    command = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        "--num-cpus=1",
        f"--temp-dir={folder}",
    ]
    command += [
        "--node-ip-address=127.0.0.1",
        "--dashboard-host=127.0.0.1",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
    ]
    command += [f"{option}={port}" for option, port in zip(_PORT_OPTIONS, ports, strict=True)]
    with (folder / "log").open("wb") as log:
        head = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{ports[0]}"
        _wait_until_it_answers(address, head, folder / "log")
        yield address
    finally:
        _end_session(head)
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def _wait_until_it_answers(address: str, head: subprocess.Popen[bytes], log: Path) -> None:
    request = urllib.request.Request(
        f"{address}/api/version", headers={"Authorization": f"Bearer {os.environ['RAY_AUTH_TOKEN']}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with opener.open(request, timeout=5):
                return
        except OSError as error:
            if head.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"no Ray head at {address}: {error}; its log:\n{log.read_text()[-2000:]}") from error
        time.sleep(0.2)


def _end_session(head: subprocess.Popen[bytes]) -> None:
    """Its workers have process groups of their own, so the session is what holds them together."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while (members := _session_members(head.pid)) and time.monotonic() < deadline:
        for member in members:
            try:
                os.kill(member, signal.SIGKILL)
            except ProcessLookupError:
                continue
        head.wait()
        time.sleep(0.05)


def _session_members(session: int) -> list[int]:
    """Living processes of a session."""
    members: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            state, _, _, found = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it ended while we looked
            continue
        if int(found) == session and state not in "ZX":
            members.append(int(entry.name))
    return members
