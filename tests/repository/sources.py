"""What the repository's checks read: its declarations, its packages, and who imports what."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.needs import REPOSITORY

PYPROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
PACKAGES: list[str] = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def package_files() -> list[Path]:
    """Every file that belongs into the wheel, relative to the repository."""
    found = [path for package in PACKAGES for path in (REPOSITORY / package).rglob("*") if path.is_file()]
    return sorted(path.relative_to(REPOSITORY) for path in found if "__pycache__" not in path.parts)


def imported_modules(path: Path) -> Iterator[str]:
    """Dotted names of the modules that a file imports anywhere in it, those named to `import_module` included."""
    for node in ast.walk(ast.parse(path.read_text(), filename=str(path))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module
            case ast.Call(
                func=ast.Name(id=name) | ast.Attribute(attr=name), args=[ast.Constant(value=str(module)), *_]
            ):
                if name == "import_module":
                    yield module
            case _:
                pass


def requirement_name(requirement: str) -> str:
    """The normalised distribution name at the start of a requirement."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, f"not a requirement: {requirement!r}"
    return normalised(match[0])


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
