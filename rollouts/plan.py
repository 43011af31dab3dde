"""Tasks and seeds to work items whose ids are functions of their content.

Two plans from the same tasks, settings and environment have the same ids, so a work item can be recognised in storage
whoever plays it, and however often.
"""

from __future__ import annotations

from collections.abc import Iterable

from rollouts.episode import Task
from rollouts.identity import canonical_json, digest
from rollouts.protocols import Provenance
from rollouts.receipt import WorkItem


def make_plan(
    tasks: Iterable[Task], *, seed: int, trunks: int, settings_digest: str, provenance: Provenance
) -> tuple[WorkItem, ...]:
    """One work item for each task, in the given order.

    `settings_digest` identifies every setting that determines rows. ValueError when a task occurs twice.
    """
    origin = f"{provenance.source}\x1f{provenance.version}\x1f{provenance.data_hash}"
    items: dict[str, WorkItem] = {}
    for task in tasks:
        name = digest(
            settings_digest.encode(),
            origin.encode(),
            str(seed).encode(),
            task.domain.encode(),
            task.split.encode(),
            task.task_id.encode(),
            canonical_json(task.data).encode(),
        ).hex()
        if name in items:
            raise ValueError(f"task {task.task_id!r} occurs twice in the plan; give each task once")
        items[name] = WorkItem(item_id=name, task=task, seed=seed, trunks=trunks)
    return tuple(items.values())
