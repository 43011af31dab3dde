"""A published run is made once and copied for each test that wants one: making it costs a hundred syncs of files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from storage.objects import open_store
from tests.storage.published_runs import publish

PUBLISHED_ITEMS = 5


@pytest.fixture(scope="session")
def published_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    publish(open_store(str(folder)), items=range(PUBLISHED_ITEMS), planned=PUBLISHED_ITEMS)
    return folder


@pytest.fixture
def published_root(published_once: Path, tmp_path: Path) -> str:
    """A root of this test's own with "run-1": PUBLISHED_ITEMS items planned, all published."""
    return str(shutil.copytree(published_once, tmp_path / "root"))
