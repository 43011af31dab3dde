"""What Prometheus sees of a replica: scraped from Ray's own endpoint."""

from __future__ import annotations

import re
import urllib.request
from typing import Any

import pytest

from actors.critic_service import CriticStats, EngineLoad
from tests.end_to_end.process import wait_until

FIRST = CriticStats(questions=3, prompt_tokens=100, cached_tokens=50, routed_prefix=3, queue_s=1.5, waiting=2)
THEN = CriticStats(
    questions=10, prompt_tokens=400, cached_tokens=300, routed_prefix=8, routed_load=2, engine=EngineLoad(running=4)
)


class Teller:
    """An actor, as replicas are."""

    def tell(self, *told: CriticStats) -> None:
        from actors.ray_workers.critic_metrics import ReplicaMetrics

        metrics = ReplicaMetrics("a/model")
        for stats in told:
            metrics.tell(stats)


def _scraped(address: str) -> dict[str, float]:
    """Name and reason → value, of the critic's series."""
    with urllib.request.urlopen(address, timeout=10) as response:
        text = response.read().decode()
    found = {}
    for name, labels, value in re.findall(r"^ray_treeroll_critic_(\w+)\{(.*)\} (\S+)$", text, re.MULTILINE):
        reason = re.search(r'reason="(\w+)"', labels)
        if 'model="a/model"' in labels:
            found[name + (f" {reason[1]}" if reason else "")] = float(value)
    return found


@pytest.mark.slow
def test_counters_grow_by_what_was_done_and_gauges_say_how_it_stands(ray_cluster: None) -> None:
    import ray

    actor: Any = ray.remote(Teller)
    handle = actor.options(num_cpus=0).remote()
    ray.get(handle.tell.remote(FIRST, THEN))
    [node] = ray.nodes()  # type: ignore[no-untyped-call]
    address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    wait_until(lambda: "routed_total load" in _scraped(address))
    found = _scraped(address)
    ray.kill(handle)
    assert found["questions_total"] == 10
    assert found["routed_total prefix"] == 8
    assert found["queue_s_total"] == 1.5
    assert (found["hit_rate"], found["running"], found["waiting"]) == (0.75, 4, 0)
