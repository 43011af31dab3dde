"""The restart control: what starting the task afresh would be worth, with the steps that are left at a fork.

A branch competes with a fresh start. A step after which hardly anything succeeds is worth nothing to argue about when a fresh start
within the same steps would succeed no more often either. Told by the trunks, all of them, so it costs no call.
"""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.evidence import return_of
from rollouts.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart:
    n: int
    # trunks with a known return
    successes: float
    # sum of the returns of those that ended within the steps that are left


def restart_at(tree: Tree, *, step: int) -> Restart:
    """At a fork before `step`. A trunk that took longer would have been cut off, so it counts as not succeeded."""
    left = tree.turn_limit - step if tree.turn_limit else None
    trunks = [(len(trunk.steps), return_of(trunk)) for path, trunk in tree.episodes.items() if "." not in path]
    known = [(steps, value) for steps, value in trunks if value is not None]
    return Restart(n=len(known), successes=sum(value for steps, value in known if left is None or steps <= left))
