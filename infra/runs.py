"""What a stored run is and how far it has come; everything here is read from the root, nothing is kept beside it.

A run's state is derived: `done` (every planned item has a marker), `failed` (every item has a marker or a recorded failure),
`unfinished` (some items have neither: stopped, interrupted, or still being played).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from infra.config import RunConfig, parse_config
from rollouts.episode import Failure
from rollouts.errors import UsageError
from rollouts.receipt import Progress, Receipt
from storage.content_hash import content_hash
from storage.markers import combined_hashes, read_markers
from storage.objects import ObjectStore
from storage.runs import RunRecord, list_runs, read_failures, read_run


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    record: RunRecord
    receipts: Mapping[str, Receipt]
    # by item id
    failures: Mapping[str, Failure]
    # of items without a marker

    @property
    def state(self) -> Literal["done", "failed", "unfinished"]:
        unsettled = {item.item_id for item in self.record.items} - self.receipts.keys()
        if not unsettled:
            return "done"
        return "failed" if unsettled <= self.failures.keys() else "unfinished"

    @property
    def content_hash(self) -> str:
        """Of all that is published."""
        return content_hash(combined_hashes(self.receipts.values()))

    @property
    def progress(self) -> Progress:
        """Totals of what is published."""
        return sum((receipt.progress for receipt in self.receipts.values()), Progress())

    @property
    def rows(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for receipt in self.receipts.values():
            for table, count in receipt.rows.items():
                totals[table] = totals.get(table, 0) + count
        return totals

    @property
    def early_stops(self) -> int:
        return sum(receipt.early_stop for receipt in self.receipts.values())

    @property
    def config(self) -> RunConfig:
        return parse_config(self.record.config, source=f"run {self.record.run_id}")


def read_status(store: ObjectStore, run_id: str) -> RunStatus:
    """UsageError when there is no such run."""
    return refreshed(store, RunStatus(record=read_run(store, run_id), receipts={}, failures={}))


def refreshed(store: ObjectStore, before: RunStatus) -> RunStatus:
    """The same run as it is now. What was published before is not read again: it never changes."""
    run_id, known = before.record.run_id, before.receipts
    found = {marker.item_id: marker.receipt for marker in read_markers(store, run_id, known=known)}
    receipts = dict(sorted({**known, **found}.items()))
    return RunStatus(record=before.record, receipts=receipts, failures=read_failures(store, run_id))


def resolve_run(store: ObjectStore, run_id: str | None, *, root: str) -> str:
    """The run that is meant: the given one, or the only one of the root. UsageError lists them when that is not clear."""
    if run_id is not None:
        return run_id
    runs = list_runs(store)
    if not runs:
        raise UsageError(f"no run at {root}; start one with `treeroll run CONFIG`, or give another --root")
    if len(runs) > 1:
        raise UsageError(f"{len(runs)} runs at {root}; name one of them: {', '.join(runs)}")
    return runs[0]
