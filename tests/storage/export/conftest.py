"""A played run, published, and what it was made of."""

from __future__ import annotations

import datasets
import pytest

from rollouts.tree import Tree
from storage.objects import open_store
from tests.storage.export.played import TASKS, item, play, publish


@pytest.fixture(scope="module")
def trees() -> list[Tree]:
    return [play(item(index)) for index in range(TASKS)]


@pytest.fixture(scope="module")
def root(trees: list[Tree], tmp_path_factory: pytest.TempPathFactory) -> str:
    place = str(tmp_path_factory.mktemp("run"))
    publish(open_store(place), trees)
    return place


@pytest.fixture(autouse=True)
def quiet() -> None:
    datasets.disable_progress_bars()
