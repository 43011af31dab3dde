"""The governors of a run's endpoints as one small Ray actor, shared by all its workers. A shell around `actors.rate_control`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class SharedGovernors:
    """`actors.leased_gate.LeaseSource` over the actor. Picklable."""

    handle: Any

    async def leases(self, worker: str, reports: Mapping[str, Report]) -> Mapping[str, Lease]:
        try:
            leases: Mapping[str, Lease] = await self.handle.leases.remote(worker, reports)
        except RayError as error:
            raise ConnectionError(f"the governor of the endpoints does not answer: {type(error).__name__}") from error
        return leases


def start_governors(limits: Mapping[str, Limits]) -> SharedGovernors:
    """Inside a cluster. It lives as long as its handle is held."""
    actor: Any = ray.remote(GovernorActor)
    return SharedGovernors(actor.options(num_cpus=0, max_restarts=-1, max_task_retries=0).remote(dict(limits)))
