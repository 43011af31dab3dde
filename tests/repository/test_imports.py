"""What the code may import, where import-linter has no contract for it."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from tests.needs import REPOSITORY
from tests.repository.sources import (
    PACKAGES,
    PYPROJECT,
    imported_modules,
    normalised,
    package_files,
    requirement_name,
)

MODULES = [path for path in package_files() if path.suffix == ".py"]
PART_OF = {
    "annotated-types": "pydantic",
    "botocore": "boto3",
    "inspect-ai": "inspect-evals",
    "pydantic-core": "pydantic",
}
# a distribution that another one brings and whose names are part of the other's interface
TYPES_ONLY = {"mypy_boto3_s3"}
# stubs from the development tools, imported under TYPE_CHECKING


def roots(path: Path) -> set[str]:
    """What a file imports from outside the standard library and the five packages."""
    imported = {module.partition(".")[0] for module in imported_modules(REPOSITORY / path)}
    return imported - sys.stdlib_module_names - set(PACKAGES)


def test_the_core_needs_the_standard_library_only() -> None:
    assert {str(path): roots(path) for path in MODULES if path.parts[0] == "rollouts" and roots(path)} == {}


def test_every_dependency_that_is_imported_is_declared() -> None:
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"]
    declared = {requirement_name(text) for text in [*project["dependencies"], *extras["tau2"], *extras["vllm"]]}
    brought_by = metadata.packages_distributions()
    imported = {root: path for path in MODULES for root in roots(path) - TYPES_ONLY}
    undeclared = {}
    for root, path in imported.items():
        distributions = {normalised(name) for name in brought_by.get(root, [root])}
        if not {PART_OF.get(name, name) for name in distributions} & declared:
            undeclared[root] = str(path)
    assert undeclared == {}


def test_no_module_or_folder_shadows_the_standard_library_or_a_dependency() -> None:
    declared = {requirement_name(text).replace("-", "_") for text in PYPROJECT["project"]["dependencies"]}
    taken = sys.stdlib_module_names | declared | {"vllm", "inspect_evals"}
    names = {part.removesuffix(".py") for path in MODULES for part in path.parts}
    assert names & taken == set()


def test_tests_use_real_parts() -> None:
    tests = sorted((REPOSITORY / "tests").rglob("*.py"))
    assert [path for path in tests if any(name.split(".")[0] == "unittest" for name in imported_modules(path))] == []
