"""Who holds a lease, told so that people find the process, and so that another process on the same machine can tell it is dead."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_PROC = Path("/proc")
_START_FIELD = 19
# of /proc/<pid>/stat, counted from the first field after the command's name: ticks from boot to the start of the process


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    host: str
    pid: int
    since: str
    # for people, by the holder's clock; nothing is decided by it
    machine: str
    # the boot and the process namespace within which the pid means this process; empty where the system does not tell
    started: str
    # tells the process from a later one with its pid


def this_process() -> Holder:
    return Holder(
        host=socket.gethostname(),
        pid=os.getpid(),
        since=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=_machine(),
        started=_started(os.getpid()) or "",
    )


def is_dead(holder: Holder) -> bool:
    """Whether the process is certainly gone. False where that cannot be told: on another machine, or after its reboot."""
    return bool(holder.machine) and holder.machine == _machine() and _started(holder.pid) != holder.started


def _machine() -> str:
    """Containers of one host share its boot, but not the numbers of their processes."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """None when there is no such process, or only what its parent has yet to bury."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else fields[_START_FIELD]
