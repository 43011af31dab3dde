"""What is taken from the installed inspect-evals: files at once, code when it is first needed (seconds, 100 MB).

Nothing of the package is copied into the repository; its texts are read at run time. Its module paths are no public
API, so the version is pinned exactly, and a path that is not there is a `DataError` that names it.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import warnings
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


# -- files ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A domain's data, without its database."""

    domain: str
    version: str
    # of the package
    data_hash: str
    # SHA-256 of the database, tasks and splits files
    tasks: Sequence[Mapping[str, JsonValue]]
    # the records of all tasks, in the file's order
    splits: Mapping[str, frozenset[str]]
    # split → ids of its tasks
    policy: str
    user_guidelines: str


def files(domain: Domain, *, version: str) -> Files:
    directory = _data() / "domains" / domain.name
    data_files = [directory / name for name in (domain.database_file, domain.tasks_file, domain.splits_file)]
    return Files(
        domain=domain.name,
        version=version,
        data_hash=hashlib.sha256(b"".join(_bytes(path) for path in data_files)).hexdigest(),
        tasks=_json(directory / domain.tasks_file),
        splits={split: frozenset(ids) for split, ids in _json(directory / domain.splits_file).items()},
        policy=_bytes(directory / domain.policy_file).decode(),
        user_guidelines=_bytes(_data() / "user_simulator" / "simulation_guidelines.txt").decode(),
    )


def _data() -> Path:
    """The package's data, found without importing the package."""
    spec = util.find_spec("inspect_evals")
    assert spec is not None and spec.submodule_search_locations, "supported_version() has found the package"
    return Path(spec.submodule_search_locations[0]) / "tau2" / "data"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{PACKAGE} {SUPPORTED_VERSION} should hold {path}, but: {error}; reinstall it: {INSTALL}"
        ) from error


def _json(path: Path) -> Any:
    raw = _bytes(path)
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)


# -- code -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """A domain's database and the package's code for it."""

    read_only: frozenset[str]
    # names of the tools known not to write
    database: Any
    # the database model, as the package loads it
    toolkit: type
    # its functions are the tools; of `self` they use `db` only
    tools: Sequence[Any]
    # inspect_ai.tool.ToolDef of every tool, in the package's order
    tool_error: type[Exception]
    # what a tool raises to refuse
    criteria: Any
    # model of a task's `evaluation_criteria`
    scenario: Any
    # model of a task's `user_scenario`; str() of one is what the simulated user is told


def machinery(domain: Domain) -> Machinery:
    """Import the package's code and load the database: once per process, for the time it takes."""
    define = _imported("inspect_ai.tool:ToolDef")
    tools = _imported(f"inspect_evals.tau2.{domain.tools}")
    database = _imported(f"inspect_evals.tau2.{domain.database}")
    return Machinery(
        read_only=domain.read_only,
        # the package's own loader leaves a temporary file behind with every call
        database=database.model_validate(_json(_data() / "domains" / domain.name / domain.database_file)),
        toolkit=_imported(f"inspect_evals.tau2.{domain.toolkit}"),
        tools=[define(tool()) for tool in tools],
        tool_error=_imported("inspect_ai.tool:ToolError"),
        criteria=_imported("inspect_evals.tau2.data_model.tasks:EvaluationCriteria"),
        scenario=_imported("inspect_evals.tau2.data_model.tasks:UserScenario"),
    )


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the package's imports are not ours to mend
            return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"{PACKAGE} {SUPPORTED_VERSION} should have {path}, but: {error}; reinstall it: {INSTALL}"
        ) from error
