"""The wheel has everything, and works from anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.needs import REPOSITORY
from tests.repository.sources import PACKAGES, package_files


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer would."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ["pyproject.toml", "README.md", "LICENSE", ".gitignore"]:
        shutil.copy(REPOSITORY / name, source / name)
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(build, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    [built] = (source / "dist").glob("*.whl")
    zipfile.ZipFile(built).extractall(target)
    return target


def test_the_wheel_has_every_file_of_the_packages(wheel: Path) -> None:
    shipped = {path.relative_to(wheel) for path in wheel.rglob("*") if path.is_file()}
    assert set(package_files()) == {path for path in shipped if ".dist-info" not in path.parts[0]}


def test_the_wheel_has_the_licence(wheel: Path) -> None:
    [licence] = wheel.glob("*.dist-info/licenses/LICENSE")
    assert "Apache License" in licence.read_text()


def test_the_command_runs_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(wheel)}
    command = [sys.executable, "-P", "-m", "infra.cli", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "resume" in done.stdout


def test_the_command_is_what_the_wheel_says(wheel: Path, tmp_path: Path) -> None:
    [declared] = wheel.glob("*.dist-info/entry_points.txt")
    entry_points = ConfigParser()
    entry_points.read(declared)
    module, _, function = entry_points["console_scripts"]["treeroll"].partition(":")
    program = f"import {module} as command; assert callable(command.{function}); print(command.__file__)"
    environ = {**os.environ, "PYTHONPATH": str(wheel)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, env=environ, capture_output=True, text=True, check=True
    )
    assert Path(done.stdout.strip()).is_relative_to(wheel)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_that_is_typed_says_so(package: str) -> None:
    assert (REPOSITORY / package / "py.typed").exists()


@pytest.mark.parametrize(
    "preset", sorted((REPOSITORY / "infra" / "presets").glob("*.toml")), ids=lambda path: path.name
)
def test_a_preset_is_toml_with_the_sections_of_a_run(preset: Path) -> None:
    assert {"run", "tasks"} <= tomllib.loads(preset.read_text()).keys()
