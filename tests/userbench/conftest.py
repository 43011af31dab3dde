"""A copy of upstream's code with synthetic scenarios, as a checkout that `USERBENCH_PATH` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.environments.userbench import source
from actors.environments.userbench.environment import TravelEnvironment
from actors.environments.userbench.scenarios import Scenarios
from tests.needs import need
from tests.userbench.synthetic import make_checkout


@pytest.fixture(scope="session")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    need("userbench")
    root = tmp_path_factory.mktemp("userbench")
    make_checkout(root, source.locate(os.environ))
    before = os.environ.get(source.PATH_VARIABLE)
    os.environ[source.PATH_VARIABLE] = str(root)
    yield root
    if before is None:
        del os.environ[source.PATH_VARIABLE]
    else:
        os.environ[source.PATH_VARIABLE] = before


@pytest.fixture(scope="session")
def package(checkout: Path) -> Path:
    return checkout / source.PACKAGE


@pytest.fixture(scope="session")
def travel(package: Path) -> TravelEnvironment:
    return TravelEnvironment(domain="travel", package=package, scenarios=Scenarios(package / "data", domain="travel"))
