"""Where the benchmark's package is, and which version and commit of it. Nothing of it is imported to know that."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from rollouts.errors import UsageError

PACKAGE = "tau_bench"
SUPPORTED_VERSION = "0.1.0"
PATH_VARIABLE = "TAU_BENCH_PATH"
INSTALL = (
    "pip install --no-deps git+https://github.com/sierra-research/tau-bench, "
    f"or set {PATH_VARIABLE} to a checkout of that repository"
)
_VERSION = re.compile(r"""^\s*version\s*=\s*["']([^"']+)["']""", re.MULTILINE)
# in setup.py
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    root: Path
    # the directory that holds the package
    version: str
    # with the upstream commit behind a "+" where it is known

    @property
    def package(self) -> Path:
        return self.root / PACKAGE


def find_checkout(environ: Mapping[str, str] = os.environ) -> Checkout:
    """TAU_BENCH_PATH where it is set, else the installed package. UsageError when it is missing or another version."""
    root = _root(environ)
    if not (root / PACKAGE / "envs").is_dir():
        raise UsageError(f"{root} holds no {PACKAGE}/envs, so it is not Sierra's benchmark: {INSTALL}")
    version = _setup_version(root) or _installed_version()
    if version != SUPPORTED_VERSION:
        raise UsageError(
            f"the tau_bench environment needs version {SUPPORTED_VERSION} of {PACKAGE}, but {root} holds {version}: {INSTALL}"
        )
    commit = _head(root) or _installed_commit()
    return Checkout(root=root, version=f"{version}+{commit[:12]}" if commit else version)


def _root(environ: Mapping[str, str]) -> Path:
    if named := environ.get(PATH_VARIABLE):
        return Path(named).absolute()
    spec = util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"the tau_bench environment needs the package {PACKAGE}, which is not installed: {INSTALL}")
    return Path(next(iter(spec.submodule_search_locations))).absolute().parent


def _setup_version(root: Path) -> str:
    """What a checkout says of itself; "" where there is no checkout."""
    setup = root / "setup.py"
    found = _VERSION.search(setup.read_text(encoding="utf-8")) if setup.is_file() else None
    return found[1] if found else ""


def _installed_version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "no known version"


def _installed_commit() -> str:
    """What pip noted when it installed from git."""
    try:
        noted = metadata.distribution(PACKAGE).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return ""
    return str(json.loads(noted or "{}").get("vcs_info", {}).get("commit_id", ""))


def _head(root: Path) -> str:
    """The commit that a checkout is at, read without git; "" where it cannot be told."""
    directory = root / ".git"
    if directory.is_file():  # a worktree: the file names its directory
        directory = root / directory.read_text().partition(":")[2].strip()
    head = _text(directory / "HEAD")
    reference = head.removeprefix("ref: ")
    commit = head if head == reference else _referred(directory, reference)
    return commit if _COMMIT.fullmatch(commit) else ""


def _referred(directory: Path, reference: str) -> str:
    common = directory / (_text(directory / "commondir") or ".")
    packed = (line.partition(" ") for line in _text(common / "packed-refs").splitlines())
    known = {name: commit for commit, _, name in packed}
    return _text(directory / reference) or _text(common / reference) or known.get(reference, "")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""
