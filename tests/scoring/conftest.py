"""A recorded run to be scored: played once, in a world that needs nothing, and copied for each test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.scoring.runs import record_run


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("recorded") / "root"
    assert record_run(root).how == "complete"
    return root


@pytest.fixture
def recorded(recorded_once: Path, tmp_path: Path) -> str:
    """A root of this test's own that holds the finished run "recorded"."""
    return str(shutil.copytree(recorded_once, tmp_path / "root"))
