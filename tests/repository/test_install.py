"""What `make run` and `make test` install with: the same index as pip's, and no work when nothing changed."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from requirements.install import MINIMUM, STAMP, Stamp, ensure, one_at_a_time, read_stamp, stamp, uv_variables
from tests.repository.sources import PYPROJECT


def made(venv: Path, *extras: str) -> Stamp:
    """An environment with a stamp; nothing is in it, so touching it would show."""
    (venv / "bin").mkdir(parents=True)
    (venv / "bin" / "python").touch()
    present = stamp(venv, extras=extras, hashed=[], lock="")
    (venv / STAMP).write_text(json.dumps(asdict(present)))
    return present


def test_the_oldest_python_is_the_declared_one() -> None:
    assert PYPROJECT["project"]["requires-python"] == ">={}.{}".format(*MINIMUM)


def test_a_stamp_reads_back_as_it_was_written(tmp_path: Path) -> None:
    assert read_stamp(tmp_path / "venv") is None
    assert made(tmp_path / "venv", "tau2", "dev") == read_stamp(tmp_path / "venv")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"place": 1}', "null"])
def test_a_stamp_that_cannot_be_read_counts_as_none(tmp_path: Path, text: str) -> None:
    made(tmp_path / "venv")
    (tmp_path / "venv" / STAMP).write_text(text)
    assert read_stamp(tmp_path / "venv") is None


def test_an_environment_without_its_interpreter_counts_as_none(tmp_path: Path) -> None:
    made(tmp_path / "venv")
    (tmp_path / "venv" / "bin" / "python").unlink()
    assert read_stamp(tmp_path / "venv") is None


def test_nothing_is_installed_when_everything_wanted_is_there(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    present = made(venv, "dev", "tau2")
    ensure(venv, stamp(venv, extras=["tau2"], hashed=[], lock=""))
    assert read_stamp(venv) == present
    assert sorted(path.name for path in venv.iterdir()) == ["bin", STAMP]


def test_an_update_keeps_the_extras_that_are_there(tmp_path: Path) -> None:
    present = stamp(tmp_path, extras=["tau2", "dev"], hashed=["a.txt"], lock="")
    wanted = replace(stamp(tmp_path, extras=["tau2"], hashed=[], lock=""), pins="changed")
    assert wanted.updates(present)
    assert wanted.keeping(present) == replace(present, pins="changed")


@pytest.mark.parametrize("field", ["place", "python", "lock"])
def test_an_environment_of_another_place_python_or_kind_is_made_anew(tmp_path: Path, field: str) -> None:
    present = stamp(tmp_path, extras=[], hashed=[], lock="")
    other: dict[str, str] = {field: "another"}
    assert not replace(present, **other).updates(present)  # type: ignore[arg-type]  # each of the three is a str


def test_a_second_installer_waits_for_the_first(tmp_path: Path) -> None:
    order: list[str] = []

    def second() -> None:
        with one_at_a_time(tmp_path / "venv"):
            order.append("second")

    with one_at_a_time(tmp_path / "venv"):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(timeout=0.2)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]


def setting(section: str, variable: str, value: str) -> str:
    """A line of `pip config list`."""
    return f"{section}.{variable.removeprefix('PIP_').lower().replace('_', '-')}={value!r}"


def test_uv_is_told_what_pip_was_told() -> None:
    listing = [
        setting("global", "PIP_INDEX_URL", "https://mirror.invalid/simple"),
        setting("global", "PIP_EXTRA_INDEX_URL", "\nhttps://a.invalid/simple\nhttps://b.invalid/simple"),
        setting("install", "PIP_FIND_LINKS", "/srv/wheels"),
        setting("freeze", "PIP_TRUSTED_HOST", "elsewhere.invalid"),
        setting(":env:", "PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ]
    assert uv_variables("\n".join(listing), {}) == {
        "UV_DEFAULT_INDEX": "https://mirror.invalid/simple",
        "UV_INDEX": "https://a.invalid/simple https://b.invalid/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/srv/wheels",
    }


def test_pips_environment_wins_over_its_files() -> None:
    files, environment = setting("global", "PIP_CERT", "/one.pem"), setting(":env:", "PIP_CERT", "/two.pem")
    for listing in ([files, environment], [environment, files]):
        assert uv_variables("\n".join(listing), {}) == {"SSL_CERT_FILE": "/two.pem"}


def test_what_the_user_told_uv_wins() -> None:
    environ = {"UV_DEFAULT_INDEX": "https://mine.invalid/simple"}
    assert uv_variables(setting("global", "PIP_INDEX_URL", "https://mirror.invalid/simple"), environ) == {}
    assert uv_variables("", environ) == {}
