"""What is taken from the package: data files at once, code when it is first needed (0.2 s, 30 MB).

Nothing of it is copied into the repository: tools, tasks, policy and the simulated user's prompt are read at run time.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.environments.tau_bench.checkout import INSTALL, PACKAGE, Checkout
from actors.environments.tau_bench.domains import Domain
from actors.environments.tau_bench.light_import import light_imports
from rollouts.episode import JsonValue
from rollouts.errors import DataError, UsageError

# -- files ------------------------------------------------------------------------------------------------------------


def data_hash(domain: Domain, checkout: Checkout) -> str:
    """SHA-256 of the domain's database and tasks files."""
    tasks = [_directory(domain, checkout) / f"{path.partition(':')[0]}.py" for path in domain.splits.values()]
    files = [*(_table_file(domain, checkout, table) for table in domain.tables), *tasks]
    return hashlib.sha256(b"".join(map(_bytes, files))).hexdigest()


def tables(domain: Domain, checkout: Checkout) -> Mapping[str, Mapping[str, Any]]:
    """The database, as upstream's own loader reads it. DataError for a damaged file."""
    return {table: _table(_table_file(domain, checkout, table)) for table in domain.tables}


def _directory(domain: Domain, checkout: Checkout) -> Path:
    return checkout.package / "envs" / domain.name


def _table_file(domain: Domain, checkout: Checkout, table: str) -> Path:
    return _directory(domain, checkout) / "data" / f"{table}.json"


def _table(path: Path) -> dict[str, Any]:
    raw = _bytes(path)
    try:
        table = json.loads(raw)
    except ValueError as error:
        raise _damaged(path, raw, f"it is no JSON: {error}") from error
    if not isinstance(table, dict) or not table:
        raise _damaged(path, raw, "it holds no records")
    return table


def _damaged(path: Path, raw: bytes, problem: str) -> DataError:
    found = hashlib.sha256(raw).hexdigest()
    return DataError(f"{path} ({len(raw)} bytes, SHA-256 {found[:16]}…) is damaged, {problem}; get it anew: {INSTALL}")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{PACKAGE} should hold {path}, but: {error}; get it anew: {INSTALL}") from error


# -- code -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """A domain's code and texts."""

    tools: Mapping[str, Any]
    # upstream's tool classes by name, in its order
    policy: str
    # what upstream's agents are told
    user_prompt: Callable[[str], str]
    # a task's instruction → what upstream's simulated user is told
    task: Any
    # the model of a task's record
    tasks: Mapping[str, Sequence[Mapping[str, JsonValue]]]
    # split → records of its tasks, in its order


def machinery(domain: Domain, checkout: Checkout) -> Machinery:
    """Import the code. UsageError when another package of the same name has been imported before."""
    with light_imports(str(checkout.root)):
        _check_identity(checkout)
        below = f"{PACKAGE}.envs.{domain.name}"
        tools = _imported(f"{below}.tools:ALL_TOOLS")
        user = _imported(f"{PACKAGE}.envs.user:LLMUserSimulationEnv")
        return Machinery(
            tools={tool.get_info()["function"]["name"]: tool for tool in tools},
            policy=_imported(f"{below}.wiki:WIKI"),
            # its constructor would call the model
            user_prompt=user.__new__(user).build_system_prompt,
            task=_imported(f"{PACKAGE}.types:Task"),
            tasks={
                split: [task.model_dump() for task in _imported(f"{below}.{path}")]
                for split, path in domain.splits.items()
            },
        )


def _check_identity(checkout: Checkout) -> None:
    package = importlib.import_module(PACKAGE)
    found = [Path(place).resolve() for place in package.__path__]
    if found != [checkout.package.resolve()]:
        raise UsageError(
            f"{PACKAGE} should come from {checkout.package}, but this process has imported it from "
            f"{', '.join(map(str, found))}; use one of them only: {INSTALL}"
        )


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DataError(f"{PACKAGE} should have {path}, but: {error}; get it anew: {INSTALL}") from error
