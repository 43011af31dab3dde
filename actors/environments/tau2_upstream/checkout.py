"""Where upstream's package and its data are, and which version they are. Nothing of it is imported to know that."""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from importlib import metadata, util
from pathlib import Path

from actors.environments.tau2.upstream import Source
from rollouts.errors import UsageError

PACKAGE = "tau2"
SUPPORTED_VERSION = "1.0"
# the first two parts; a package that has moved on is found out by what it lacks
DATA_VARIABLE = "TAU2_DATA_DIR"
INSTALL = "pip install 'tau2[knowledge] @ git+https://github.com/sierra-research/tau2-bench' (Python 3.12 or later)"
DATA = f"clone https://github.com/sierra-research/tau2-bench and set {DATA_VARIABLE} to its directory `data`"


def find_source(domain: str, environ: Mapping[str, str] = os.environ) -> Source:
    """The importable package. UsageError when it is missing, is not Sierra's, is another version, or has no data.

    The version says which code answers for `domain`: many commits of upstream call themselves the same.
    """
    package = find_package()
    version = _version(package)
    if version.split(".")[:2] != SUPPORTED_VERSION.split("."):
        raise UsageError(
            f"the tau2_upstream environment needs {PACKAGE} {SUPPORTED_VERSION}, but {package} is {version}: {INSTALL}"
        )
    return Source(
        package=PACKAGE,
        version=f"{version}+{_code_hash(package, domain)[:12]}",
        data=_data(package, environ),
        remedy=f"{INSTALL}, and {DATA}",
    )


def find_package() -> Path:
    """The directory of Sierra's package."""
    spec = util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"the tau2_upstream environment needs the package {PACKAGE}, which is not installed: {INSTALL}"
        )
    package = Path(next(iter(spec.submodule_search_locations))).absolute()
    if not (package / "domains" / "telecom").is_dir() or not (package / "registry.py").is_file():
        raise UsageError(
            f"{package} holds no domains and no registry.py, so it is not Sierra's benchmark: PyPI's {PACKAGE} is a package "
            f"about chemistry; uninstall it, then {INSTALL}"
        )
    return package


def _version(package: Path) -> str:
    """What a checkout says of itself, else what is noted of the installation."""
    project = package.parents[1] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}).get("version", "unknown"))
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "unknown"


def _code_hash(package: Path, domain: str) -> str:
    folders = (package / "domains" / domain, package / "environment")
    code = (path.read_bytes() for folder in folders for path in sorted(folder.rglob("*.py")))
    return hashlib.sha256(b"".join(code)).hexdigest()


def _data(package: Path, environ: Mapping[str, str]) -> Path:
    named = environ.get(DATA_VARIABLE)
    data = Path(named).absolute() if named else package.parents[1] / "data"
    if not (data / "tau2" / "domains").is_dir():
        raise UsageError(f"{data} holds no tau2/domains, and the package {PACKAGE} brings no data of its own: {DATA}")
    return data / "tau2"
