"""What a replica tells Prometheus, through Ray's metrics: `ray_treeroll_critic_…`, one series for each replica's process.

Counters end in `_total` there; rates and shares over a time are Prometheus's to make of them. Gauges say how it stands now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ray.util.metrics import Counter, Gauge

from actors.critic_service import CriticStats

EVERY_S = 5.0
# Ray sends them on every ten seconds
_PREFIX = "treeroll_critic"
_COUNTED = {
    "questions": "questions answered",
    "unreadable": "answers without a verdict that could be read",
    "abandoned": "questions whose asker stopped waiting",
    "too_long": "questions refused because they did not fit the window",
    "shortened": "questions answered with tool outputs left out",
    "prompt_tokens": "tokens of prompts",
    "cached_tokens": "tokens of prompts that came from the prefix cache",
    "completion_tokens": "tokens of answers",
    "queue_s": "seconds before the engine and in its own queue, summed over questions",
    "engine_s": "seconds of the engine's work, summed over questions",
}
# fields of CriticStats
_ROUTED = {"prefix": "routed_prefix", "moved": "routed_moved", "load": "routed_load"}


class ReplicaMetrics:
    def __init__(self, model: str) -> None:
        self._last = CriticStats()
        self._counters = {
            name: Counter(f"{_PREFIX}_{name}", description=meaning, tag_keys=("model",))
            for name, meaning in _COUNTED.items()
        }
        self._routed = Counter(
            f"{_PREFIX}_routed", description="questions answered, by why they came here", tag_keys=("model", "reason")
        )
        self._gauges = {
            name: Gauge(f"{_PREFIX}_{name}", description=meaning, tag_keys=("model",))
            for name, meaning in (
                ("waiting", "questions before the engine"),
                ("running", "questions in the engine"),
                ("cache_used", "share of the engine's key-value cache that is taken"),
                ("hit_rate", "share of all prompt tokens so far that came from the prefix cache"),
            )
        }
        self._tags = {"model": model}

    def tell(self, stats: CriticStats) -> None:
        """`stats`: since the process began."""
        for name, counter in self._counters.items():
            self._count(counter, getattr(stats, name) - getattr(self._last, name), self._tags)
        for reason, name in _ROUTED.items():
            self._count(self._routed, getattr(stats, name) - getattr(self._last, name), self._tags | {"reason": reason})
        now = {
            "waiting": stats.waiting,
            "running": stats.engine.running,
            "cache_used": stats.engine.cache_used,
            "hit_rate": stats.hit_rate,
        }
        for name, gauge in self._gauges.items():
            gauge.set(now[name], tags=self._tags)
        self._last = stats

    @staticmethod
    def _count(counter: Counter, more: float, tags: dict[str, str]) -> None:
        if more > 0:
            counter.inc(more, tags=tags)
            # zero is refused


async def tell_for_ever(metrics: ReplicaMetrics, stats: Callable[[], CriticStats]) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        metrics.tell(stats())
