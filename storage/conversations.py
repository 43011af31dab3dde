"""Full conversations from the deltas that the tables store.

An episode holds its own steps only. Its conversation is its trunk's opening, then from each ancestor the steps before the
fork, then its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from rollouts.episode import Conversation
from rollouts.errors import DataError, UsageError
from rollouts.tree import branch_place, step_path
from storage.messages import messages_from_json


def lineage(episode_path: str) -> list[tuple[str, int]]:
    """The episode and its ancestors, the trunk first, each with the index of its first own step.

    "t0.s4.a1.r2" → [("t0", 0), ("t0.s4.a1.r2", 4)]. ValueError for what is no episode's path.
    """
    place = branch_place(episode_path)
    return [*lineage(place.parent_path), (episode_path, place.step)] if place else [(episode_path, 0)]


class ItemConversations:
    """Every conversation of one item, from its rows of `episodes` (path, opening) and `steps` (path, step, added)."""

    def __init__(self, *, episodes: Iterable[Mapping[str, Any]], steps: Iterable[Mapping[str, Any]]) -> None:
        self._openings = {row["episode_path"]: messages_from_json(row["opening"]) for row in episodes}
        self._added: dict[str, dict[int, Conversation]] = defaultdict(dict)
        for row in steps:
            self._added[row["episode_path"]][row["step"]] = messages_from_json(row["added"])

    def num_steps(self, episode_path: str) -> int:
        """Length of the trajectory: the shared steps and the episode's own. UsageError if there is no such episode."""
        if episode_path not in self._openings:
            raise UsageError(f"no episode {episode_path!r} in this item; it has {', '.join(self._openings) or 'none'}")
        return lineage(episode_path)[-1][1] + len(self._added[episode_path])

    def before(self, episode_path: str, step: int) -> Conversation:
        """The messages that precede `step`, of both sides: `rollouts.episode.seen_by_actor` leaves what the actor saw.

        `num_steps` as `step` gives the whole episode.
        """
        if not 0 <= step <= self.num_steps(episode_path):
            raise UsageError(f"episode {episode_path} has {self.num_steps(episode_path)} steps, got upto_step {step}")
        episodes = lineage(episode_path)
        starts = [first for _, first in episodes]
        ends = [*starts[1:], step]
        places = (
            (path, index)
            for (path, first), end in zip(episodes, ends, strict=True)
            for index in range(first, min(end, step))
        )
        return tuple(chain(self._openings[episodes[0][0]], *(self._added_by(*place) for place in places)))

    def _added_by(self, episode_path: str, step: int) -> Conversation:
        try:
            return self._added[episode_path][step]
        except KeyError:
            raise DataError(
                f"step {step_path(episode_path, step)} has no row, though a later one builds on it"
            ) from None
