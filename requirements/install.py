"""Makes a virtual environment from pins, once: `python3 requirements/install.py .venv --extra tau2`.

ABSENT → CREATED → INSTALLED: a stamp inside the environment says from which files, and with which extras. The stamp is
written last, so an install that was cut short is done again; a second caller waits for the first and finds it written.
Needs nothing but the system's Python: standard library only, and syntax that an old Python parses far enough to be told.
"""

import sys

MINIMUM = (3, 11)
if sys.version_info[:2] < MINIMUM:
    sys.exit(
        "treeroll needs Python {}.{} or newer; {} is Python {}.{}. ".format(*MINIMUM, sys.executable, *sys.version_info)
        + "Name a newer one, for example: make PYTHON=python3.12 run"
    )

import argparse
import ast
import fcntl
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = "constraints.txt"
STAMP = "treeroll.json"
UV_NAMES = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
    "PIP_DEFAULT_TIMEOUT": "UV_HTTP_TIMEOUT",
}
# pip's setting → the variable by which uv is told the same; uv reads none of pip's


class InstallError(Exception):
    """The message says what was needed, what came, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What an environment holds, and from what it was made."""

    place: str
    # scripts inside have it in their first line, so a moved environment is made anew
    python: str
    pins: str
    # digest of every file that pins something
    extras: tuple[str, ...]
    # of treeroll itself, installed editable; unused when there is a lock
    hashed: tuple[str, ...]
    # lists of third-party binaries that are pinned by hash, installed before the rest
    lock: str
    # a complete list of pins to install instead of treeroll, or ""

    def updates(self, present: "Stamp") -> bool:
        """Whether an environment with the other stamp can be brought to this one without making it anew."""
        return (self.place, self.python, self.lock) == (present.place, present.python, present.lock)

    def keeping(self, present: "Stamp") -> "Stamp":
        extras, hashed = {*self.extras, *present.extras}, {*self.hashed, *present.hashed}
        return replace(self, extras=tuple(sorted(extras)), hashed=tuple(sorted(hashed)))


def stamp(venv: Path, *, extras: Sequence[str], hashed: Sequence[str], lock: str) -> Stamp:
    files = [ROOT / "pyproject.toml", ROOT / CONSTRAINTS, *sorted(ROOT.glob("requirements/*.txt"))]
    return Stamp(
        place=str(venv),
        python=sys.version.split()[0],
        pins=hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest(),
        extras=tuple(sorted(extras)),
        hashed=tuple(sorted(hashed)),
        lock=lock,
    )


def read_stamp(venv: Path) -> Stamp | None:
    """None when there is none that can be read, or no interpreter beside it: the environment is then made anew."""
    if not (venv / "bin" / "python").exists():
        return None
    try:
        fields = json.loads((venv / STAMP).read_text())
        return Stamp(**fields | {"extras": tuple(fields["extras"]), "hashed": tuple(fields["hashed"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def uv_variables(pip_settings: str, environ: Mapping[str, str]) -> dict[str, str]:
    """What uv must be told to use the same index as pip, from what `pip config list` printed.

    A variable that is set already wins. Of pip's own sources the environment wins over [install], and that over [global].
    """
    rank = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in pip_settings.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        name = "PIP_" + option.upper().replace("-", "_")
        if name in UV_NAMES and section in rank and rank[section] >= found.get(name, (0, ""))[0]:
            found[name] = (rank[section], " ".join(ast.literal_eval(value).split()))
    told = {UV_NAMES[name]: value for name, (_, value) in found.items() if UV_NAMES[name] not in environ}
    if "UV_INDEX" in told:
        told.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
        # pip's own rule: the version decides, not the order of the indexes
    return told


def create(venv: Path) -> None:
    print(f"treeroll: making {venv.name} with Python {sys.version.split()[0]} ({sys.executable})", flush=True)
    made = subprocess.run([sys.executable, "-m", "venv", "--clear", venv], capture_output=True, text=True)
    if made.returncode != 0:
        version = ".".join(map(str, sys.version_info[:2]))
        raise InstallError(
            f"{sys.executable} cannot make a virtual environment with pip in it:\n"
            f"{(made.stdout + made.stderr).strip()}\n"
            f"On Debian or Ubuntu: apt-get install python{version}-venv. "
            "Or name another Python: make PYTHON=/path/to/python3 run"
        )


def install(venv: Path, goal: Stamp) -> None:
    """uv when pip can bring it (seconds), else pip (minutes)."""
    python = str(venv / "bin" / "python")
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    if _run([*pip, "install", "-qq", "-c", CONSTRAINTS, "uv"]):
        settings = subprocess.run([*pip, "config", "list"], capture_output=True, text=True).stdout
        uv = [str(venv / "bin" / "uv"), "pip", "install", "--quiet", "--python", python]
        told = uv_variables(settings, os.environ)
        if all(_run([*uv, *step], told) for step in _steps(goal, ["--build-constraints", CONSTRAINTS])):
            return
    print("treeroll: uv could not do it; pip will, in some minutes", file=sys.stderr, flush=True)
    pinned_build = {} if goal.lock else {"PIP_CONSTRAINT": CONSTRAINTS, "PIP_BUILD_CONSTRAINT": CONSTRAINTS}
    # an older pip holds its build environment to the first, a newer one to the second
    if not all(_run([*pip, "install", *step], pinned_build) for step in _steps(goal, [])):
        raise InstallError(
            "the pinned packages could not be installed; the reason stands above. "
            "A mirror is named in pip's own settings: pip config set, or PIP_* variables"
        )


def _steps(goal: Stamp, build: Sequence[str]) -> Iterator[list[str]]:
    for hashed in goal.hashed:
        yield ["--no-deps", "--require-hashes", "-r", hashed]
    if goal.lock:
        yield ["--no-deps", "-r", goal.lock]
    else:
        yield ["-c", CONSTRAINTS, *build, "-e", f".[{','.join(goal.extras)}]"]


def _run(command: Sequence[str], variables: Mapping[str, str] | None = None) -> bool:
    # a user-wide PIP_USER would make pip refuse to install into a virtual environment
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PIP_USER": "0", **(variables or {})}).returncode == 0


@contextmanager
def one_at_a_time(venv: Path) -> Iterator[None]:
    with venv.with_name(venv.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(venv: Path, wanted: Stamp) -> None:
    """Make the environment hold what is wanted, and keep what else it holds; returns at once when it does."""
    with one_at_a_time(venv):
        began = time.monotonic()
        present = read_stamp(venv)
        kept = present if present and wanted.updates(present) else None
        goal = wanted.keeping(kept) if kept else wanted
        if goal == kept:
            return
        if kept:
            (venv / STAMP).unlink()
        else:
            create(venv)
        print("treeroll: installing pinned packages", flush=True)
        install(venv, goal)
        (venv / STAMP).write_text(json.dumps(asdict(goal), indent=1))
        print(f"treeroll: {venv.name} is ready after {time.monotonic() - began:.0f} s", flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="requirements/install.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("venv", help="folder of the environment, in the repository's root")
    parser.add_argument("--extra", action="append", default=[], help="extra of treeroll to install with it; repeatable")
    parser.add_argument("--hashed", action="append", default=[], help="list to install first, by hash; repeatable")
    parser.add_argument("--lock", default="", help="install this complete list of pins and not treeroll")
    options = parser.parse_args(arguments)
    venv = ROOT / options.venv
    try:
        ensure(venv, stamp(venv, extras=options.extra, hashed=options.hashed, lock=options.lock))
    except InstallError as error:
        print(f"treeroll: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("treeroll: interrupted; the same command starts over", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
