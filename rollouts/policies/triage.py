"""What the trunks say of a task: its class, which of them to fork, and what a play from one of their steps will cost.

Tasks with mixed outcomes teach most: both ways of going on are within the actor's reach. Where every trunk failed, often nothing
helps; where every trunk was solved, little is lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollouts.fork_views import EpisodeView, PlayTrunk, TreeView
from rollouts.meter import SOLVED

TaskClass: TypeAlias = Literal["mixed", "failed", "solved", "unknown"]
# unknown: no trunk has a return


def triage(view: TreeView) -> TaskClass:
    """The class of the tree's task by the trunks played so far."""
    solved = {trunk.returned >= SOLVED for trunk in view.trunks if trunk.returned is not None}
    if not solved:
        return "unknown"
    if len(solved) == 2:
        return "mixed"
    return "solved" if solved == {True} else "failed"


def missing_trunks(view: TreeView, count: int) -> tuple[PlayTrunk, ...]:
    return tuple(PlayTrunk(index=index) for index in range(len(view.trunks), count))


def forked_trunks(view: TreeView, count: int) -> list[EpisodeView]:
    """A failing trunk holds the step that lost the value, so it comes first; one without a return is never forked."""
    known = [trunk for trunk in view.trunks if trunk.returned is not None]
    known.sort(key=lambda trunk: (trunk.returned or 0.0) >= SOLVED)
    return known[:count]


def failing_trunks(view: TreeView, count: int) -> list[EpisodeView]:
    """Those of the forked trunks that a search for lost value can start from."""
    return [trunk for trunk in forked_trunks(view, count) if (trunk.returned or 0.0) < SOLVED and trunk.steps]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foresight:
    """What plays are expected to cost in LLM calls, from what the trunks cost."""

    per_step: float
    longest: int
    # steps of a trunk

    def calls_from(self, step: int) -> int:
        """Of a play from the state before `step`: as long as the longest trunk, and at least one call."""
        return math.ceil(self.per_step * max(self.longest - step, 1))


def foresight(view: TreeView) -> Foresight:
    num_steps = sum(len(trunk.steps) for trunk in view.trunks)
    return Foresight(
        per_step=max(sum(trunk.calls for trunk in view.trunks) / max(num_steps, 1), 1.0),
        longest=max((len(trunk.steps) for trunk in view.trunks), default=1),
    )
