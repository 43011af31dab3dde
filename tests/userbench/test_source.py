"""Finding upstream, and refusing what is not the supported version of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from actors.environments.userbench import open_environment
from actors.environments.userbench.source import PACKAGE, PATH_VARIABLE, RULE_FILES, SUPPORTED_COMMIT, locate
from rollouts.errors import UsageError
from tests.needs import REPOSITORY

LOCATE = "from actors.environments.userbench.source import locate"


def test_a_path_without_the_package_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"{PATH_VARIABLE} is '{tmp_path}', .*check out {SUPPORTED_COMMIT[:12]}"):
        locate({PATH_VARIABLE: str(tmp_path)})


def test_another_package_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / PACKAGE).mkdir()
    (tmp_path / PACKAGE / "config.py").touch()
    with pytest.raises(UsageError, match=r"is not UserBench's package: it has no env/__init__\.py, "):
        locate({PATH_VARIABLE: str(tmp_path)})


@pytest.mark.parametrize("environ", [{}, {PATH_VARIABLE: ""}])
def test_without_a_path_and_a_package_the_remedy_is_told(environ: dict[str, str]) -> None:
    program = f"import sys; sys.path = sys.path + [{str(REPOSITORY)!r}]; {LOCATE}; locate({environ!r})"
    bare = [sys.executable, "-I", "-S", "-c", program]
    # without what is installed here
    done = subprocess.run(bare, capture_output=True, text=True)
    assert re.search(rf"UsageError: .*no package 'travelgym' is importable; .*set {PATH_VARIABLE}", done.stderr)


def test_an_unknown_domain_is_refused_before_anything_is_looked_for() -> None:
    with pytest.raises(UsageError, match=r"unknown userbench domain 'trevel'.*did you mean 'travel'"):
        open_environment("trevel")


@pytest.mark.userbench
def test_other_rules_are_refused_with_both_versions(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "changed")
    rules = tmp_path / "changed" / PACKAGE / "env" / "prompts.py"
    rules.write_text(rules.read_text() + "\n# changed\n")
    with pytest.raises(UsageError, match=rf"{SUPPORTED_COMMIT[:12]} \(SHA-256 .*has others \("):
        locate({PATH_VARIABLE: str(tmp_path / "changed")})


@pytest.mark.userbench
def test_line_ends_do_not_make_another_version(checkout: Path, tmp_path: Path) -> None:
    shutil.copytree(checkout, tmp_path / "windows")
    for name in RULE_FILES:
        path = tmp_path / "windows" / PACKAGE / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert locate({PATH_VARIABLE: str(tmp_path / "windows")}) == tmp_path / "windows" / PACKAGE
