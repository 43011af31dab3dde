"""A missing need skips, unless it is required: then it fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.needs import NEEDS, missing, need, required
from tests.repository.sources import PYPROJECT


@pytest.fixture
def no_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert missing("browser")


def test_a_missing_need_skips_with_its_reason(no_browser: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TREEROLL_REQUIRE", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs browser: there is no chromium"):
        need("browser")


def test_a_missing_need_fails_when_it_is_required(no_browser: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREEROLL_REQUIRE", "ray, browser")
    with pytest.raises(pytest.fail.Exception, match="browser is required"):
        need("browser")


def test_a_need_that_is_met_neither_skips_nor_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chromium = tmp_path / "chromium"
    chromium.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    need("browser")


def test_a_misspelt_requirement_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\['raay'\]"):
        required({"TREEROLL_REQUIRE": "s3,raay"})


def test_every_need_is_a_marker() -> None:
    markers = {line.partition(":")[0] for line in PYPROJECT["tool"]["pytest"]["ini_options"]["markers"]}
    assert markers == NEEDS | {"slow"}
