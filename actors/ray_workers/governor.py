"""The governors of a run's endpoints as one small Ray actor, shared by all its workers. A shell around `actors.rate_control`."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError

from actors.rate_control import Governors, Lease, Limits, Report


class GovernorActor:
    """Restarted by Ray when it dies; it then begins at the configured bounds and learns from the next reports."""

    def __init__(self, limits: Mapping[str, Limits]) -> None:
        self._governors = Governors(limits)

    async def leases(self, worker: str, reports: Mapping[str, Report]) -> Mapping[str, Lease]:
        return self._governors.leases(worker, reports, now=time.monotonic())


class SharedGovernors:
    """`actors.leased_gate.LeaseSource` over the actor. Picklable: another process finds the actor by its name."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._handle: Any = None

    def __reduce__(self) -> tuple[object, ...]:
        return (SharedGovernors, (self._name,))

    async def leases(self, worker: str, reports: Mapping[str, Report]) -> Mapping[str, Lease]:
        try:
            if self._handle is None:
                self._handle = ray.get_actor(self._name)
            leases: Mapping[str, Lease] = await self._handle.leases.remote(worker, reports)
        except (RayError, ValueError) as error:  # ValueError: no actor has the name, its run has ended
            raise ConnectionError(f"the governor of the endpoints does not answer: {type(error).__name__}") from error
        return leases


def start_governors(limits: Mapping[str, Limits]) -> tuple[SharedGovernors, Any]:
    """Inside a cluster. The actor lives as long as the second value, its handle, is held or until that is killed."""
    name = f"treeroll-governor-{uuid.uuid4().hex}"
    actor: Any = ray.remote(GovernorActor)
    options = {"name": name, "num_cpus": 0, "max_restarts": -1, "max_task_retries": 0}
    return SharedGovernors(name), actor.options(**options).remote(dict(limits))
