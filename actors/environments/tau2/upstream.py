"""The installed inspect-evals, and the files of a package of the benchmark, found and read without importing it.

Nothing of a package is copied into the repository; its texts are read at run time. The module paths of inspect-evals are
no public API, so its version is pinned exactly.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tomllib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

from actors.environments.tau2.domains import Domain
from rollouts.episode import JsonValue
from rollouts.errors import DataError, UsageError

PACKAGE = "inspect-evals"
SUPPORTED_VERSION = "0.26.0"
INSTALL = "pip install 'treeroll[tau2]'"
_COMPONENT = re.compile(r"\{\{component:(\w+)\}\}")


def supported_version() -> str:
    """The installed version. UsageError when the package is missing or is another version than the supported one."""
    try:
        found = metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        raise UsageError(
            f"the tau2 environment needs {PACKAGE} {SUPPORTED_VERSION}, which is not installed: {INSTALL}"
        ) from None
    if found != SUPPORTED_VERSION:
        raise UsageError(
            f"the tau2 environment needs {PACKAGE} {SUPPORTED_VERSION}, but {found} is installed: {INSTALL}"
        )
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A package of the benchmark."""

    package: str
    version: str
    data: Path
    # the directory that holds `domains` and `user_simulator`
    remedy: str
    # what to do when something is missing


def installed() -> Source:
    """The installed inspect-evals. UsageError as `supported_version`."""
    version = supported_version()
    spec = util.find_spec("inspect_evals")
    assert spec is not None and spec.submodule_search_locations, "supported_version() has found the package"
    data = Path(spec.submodule_search_locations[0]) / "tau2" / "data"
    return Source(package=PACKAGE, version=version, data=data, remedy=f"reinstall it: {INSTALL}")


# -- files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A domain's data, without its databases."""

    domain: str
    source: Source
    data_hash: str
    # SHA-256 of the database, tasks, splits and knowledge files
    tasks: Sequence[Mapping[str, JsonValue]]
    # the records of all tasks, in the file's order
    splits: Mapping[str, frozenset[str]]
    # split → ids of its tasks
    policy: str
    user_guidelines: str


def files(domain: Domain, source: Source) -> Files:
    folder = _Folder(source)
    home = folder.home(domain)
    names = [*domain.databases.values(), domain.tasks_file, domain.splits_file, *domain.knowledge_files]
    paths = [path for name in names if name for path in folder.matching(home, name)]
    tasks = [task for path in folder.matching(home, domain.tasks_file) for task in _listed(folder.structure(path))]
    found = hashlib.sha256(b"".join(folder.bytes(path) for path in paths)).hexdigest()
    if domain.data_hash not in ("", found):
        raise DataError(
            f"the data of {domain.name} in {home} is damaged: its SHA-256 should be {domain.data_hash}, but is {found}; "
            f"{source.remedy}"
        )
    return Files(
        domain=domain.name,
        source=source,
        data_hash=found,
        tasks=tasks,
        splits=_splits(folder, domain) if domain.splits_file else {"base": frozenset(task["id"] for task in tasks)},
        policy="\n".join(_policy(folder, home / name, tag) for tag, name in domain.policy_files.items()),
        user_guidelines=folder.text(source.data / "user_simulator" / domain.guidelines_file),
    )


def _splits(folder: _Folder, domain: Domain) -> Mapping[str, frozenset[str]]:
    held = folder.structure(folder.home(domain) / domain.splits_file)
    return {split: frozenset(ids) for split, ids in held.items()}


def contents(domain: Domain, source: Source) -> Mapping[str, Any]:
    """Model → the contents of the database it is the model of."""
    folder = _Folder(source)
    # the package's own loader leaves a temporary file behind for each compressed file
    return {model: folder.structure(folder.home(domain) / name) for model, name in domain.databases.items()}


def databases(domain: Domain) -> Mapping[str, Any]:
    """As `contents`, from the installed inspect-evals."""
    return contents(domain, installed())


def knowledge(domain: Domain, source: Source) -> Sequence[str]:
    """The contents of the documents that tools search."""
    folder = _Folder(source)
    paths = [path for name in domain.knowledge_files for path in folder.matching(folder.home(domain), name)]
    return [document["content"] for path in paths for document in _listed(folder.structure(path))]


def _policy(folder: _Folder, path: Path, tag: str) -> str:
    """One text of the policy, with the components it names: "{{component:NAME}}" stands for another file's text."""
    components = path.parent / "components"
    text = _COMPONENT.sub(lambda match: folder.text(components / f"{match[1]}.md"), folder.text(path))
    return f"<{tag}>\n{text}\n</{tag}>" if tag else text


def _listed(held: Any) -> list[Any]:
    """The records of a file that holds a list of them, or one."""
    return held if isinstance(held, list) else [held]


class _Folder:
    """Reads a package's data."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def home(self, domain: Domain) -> Path:
        return self._source.data / "domains" / domain.name

    def matching(self, home: Path, name: str) -> list[Path]:
        """The file of this name; where the name has a "*", all that match, in order."""
        return sorted(home.glob(name)) if "*" in name else [home / name]

    def bytes(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            source = self._source
            raise DataError(
                f"{source.package} {source.version} should hold {path}, but: {error}; {source.remedy}"
            ) from error

    def text(self, path: Path) -> str:
        return self.bytes(path).decode()

    def structure(self, path: Path) -> Any:
        raw = self.bytes(path)
        try:
            if path.suffix == ".toml":
                return tomllib.loads(raw.decode())
            return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
        except (ValueError, OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} is damaged: {error}; {self._source.remedy}") from error
