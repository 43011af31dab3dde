"""What the doctor finds, and that it shows no secret."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from infra.doctor import (
    RUNTIME,
    VARIABLES,
    Check,
    check_gpus,
    check_package,
    check_python,
    check_tau2,
    check_variables,
    doctor,
    doctor_json,
    doctor_table,
    healthy,
    memory_available,
    release,
)
from tests.needs import REPOSITORY, missing


@pytest.fixture(scope="module")
def checks(tmp_path_factory: pytest.TempPathFactory) -> list[Check]:
    return doctor(str(tmp_path_factory.mktemp("doctor") / "root"))


def test_this_machine_can_run(checks: list[Check]) -> None:
    assert [check for check in checks if check.state == "broken"] == []
    assert healthy(checks)


def test_everything_that_matters_is_told_once(checks: list[Check]) -> None:
    names = [check.name for check in checks]
    assert len(set(names)) == len(names)
    expected = {
        "python",
        *RUNTIME,
        "extra tau2",
        "extra vllm",
        "ray imports",
        "processors",
        "memory",
        "GPUs",
        "disk",
        "store",
    }
    assert set(names) == expected | set(VARIABLES)


def test_what_is_not_well_says_what_to_do(checks: list[Check]) -> None:
    for check in checks:
        assert check.detail
        if check.state == "broken":
            assert check.remedy


def test_the_store_is_examined_only_where_a_root_is_given(checks: list[Check]) -> None:
    assert checks[-1].name == "store"
    assert "exactly one wins" in checks[-1].detail


def test_a_root_that_cannot_be_used_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = doctor(str(tmp_path / "file" / "root"))[-1]
    assert (found.name, found.state) == ("store", "broken")
    assert not healthy([found])


def test_the_runtime_dependencies_are_those_that_are_declared() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    declared = [requirement.replace("[default]", "").split(">=") for requirement in project["dependencies"]]
    assert dict(declared) == RUNTIME


def test_a_dependency_that_is_missing_names_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIME, "no-such-package", "1.0")
    found = check_package("no-such-package")
    assert (found.state, found.remedy) == ("broken", "pip install 'no-such-package>=1.0'")


def test_a_dependency_that_is_too_old_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RUNTIME, "pydantic", "999.1")
    found = check_package("pydantic")
    assert found.state == "broken"
    assert "older than 999.1" in found.detail


def test_an_old_python_is_broken() -> None:
    assert check_python((3, 10)).state == "broken"
    assert check_python(sys.version_info[:2]).state == "ok"


def test_versions_compare_by_their_numbers() -> None:
    assert release("2.9.1") < release("2.10") < release("2.40.0rc1")
    assert release("18") <= release("18.0.1")


def test_the_extra_of_the_environments_is_ok_exactly_where_it_is_the_pinned_one() -> None:
    assert (check_tau2().state == "ok") == (missing("tau2") is None)


def test_no_variable_shows_its_value() -> None:
    found = list(check_variables(dict.fromkeys(VARIABLES, "hunter2")))
    assert {check.detail for check in found} == {"set"}
    assert {check.detail for check in check_variables({})} == {"not set"}


def test_a_broken_graphics_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'driver does not match' >&2\nexit 9\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = check_gpus()
    assert (found.state, found.detail) == ("broken", "driver does not match")


def test_graphics_cards_are_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text("#!/bin/sh\necho 'Card A, 80 GiB'\necho 'Card B, 80 GiB'\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert check_gpus().detail == "Card A, 80 GiB; Card B, 80 GiB"


def test_memory_is_a_plausible_number_of_bytes() -> None:
    available = memory_available()
    assert available is not None
    assert 2**20 < available < 2**50


def test_the_json_form_holds_every_check(checks: list[Check]) -> None:
    told = json.loads(doctor_json(checks))
    assert told["healthy"] is True
    assert [check["name"] for check in told["checks"]] == [check.name for check in checks]


def test_the_table_takes_text_as_it_is() -> None:
    out = StringIO()
    Console(file=out, width=200).print(
        doctor_table([Check(name="store", state="broken", detail="[bold]x[/bold]", remedy="y")])
    )
    assert "[bold]x[/bold]" in out.getvalue()
