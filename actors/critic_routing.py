"""Which replica answers a question: the one that holds its prefix, unless it has much more to do than another. Pure.

Questions with one key share a long prefix: the branches of a tree, and an episode's successive steps. A key's home is the ready
replica that rendezvous hashing names, so every worker names the same one, and when a replica is lost only its own keys move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from labeling.rubric import ChatMessage
from rollouts.identity import digest

Reason: TypeAlias = Literal["prefix", "moved", "load"]
# at home; at its second home because the first is lost; at the least loaded because home was too busy
_OPENING_LINES = 2
# of the user message: the tag that opens the conversation, and its first record


def prefix_key(messages: Sequence[ChatMessage]) -> bytes:
    """Equal for the questions about one tree: the instructions, policy and tools, and how the conversation was opened."""
    system, asked = (message["content"] for message in messages)
    end = 0
    for _ in range(_OPENING_LINES):
        end = asked.find("\n", end) + 1 or len(asked)
    return digest(system.encode(), asked[:end].encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    replica: int
    reason: Reason


class Router:
    """The questions that one worker has out, by replica. `route` and `done` come in pairs."""

    def __init__(self, *, replicas: int, max_imbalance: int) -> None:
        """`max_imbalance`: how many more questions than the least loaded replica a question's home may have."""
        self._out = [0] * replicas
        self._max_imbalance = max_imbalance
        self._lost: set[int] = set()
        self.reasons: Counter[str] = Counter()
        # routes given so far, by Reason

    def route(self, key: bytes, *, avoid: Collection[int] = ()) -> Route | None:
        """Where to send a question now; None while every replica is lost. `avoid`: only if there is no other."""
        ready = [replica for replica in range(len(self._out)) if replica not in self._lost]
        candidates = [replica for replica in ready if replica not in avoid] or ready
        if not candidates:
            return None
        route = self._choose(key, candidates)
        self._out[route.replica] += 1
        self.reasons[route.reason] += 1
        return route

    def _choose(self, key: bytes, candidates: Sequence[int]) -> Route:
        by_preference = sorted(range(len(self._out)), key=lambda replica: digest(key, replica.to_bytes(4, "little")))
        home = next(replica for replica in by_preference if replica in candidates)
        idlest = min(candidates, key=lambda replica: (self._out[replica], by_preference.index(replica)))
        if self._out[home] - self._out[idlest] > self._max_imbalance:
            return Route(replica=idlest, reason="load")
        return Route(replica=home, reason="prefix" if home == by_preference[0] else "moved")

    def done(self, route: Route) -> None:
        self._out[route.replica] -= 1

    def lost(self, replica: int) -> None:
        self._lost.add(replica)

    def back(self, replica: int) -> None:
        self._lost.discard(replica)

    def out(self, replica: int) -> int:
        return self._out[replica]
