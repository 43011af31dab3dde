"""What passes between the driver and the workers: items out, receipts back. Rows never pass here.

A work item is one task's tree. Its life: PLANNED → LAUNCHED → SETTLED (a marker exists) | FAILED (recorded, retried by `resume`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from rollouts.episode import Failure, Spend, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkItem:
    """One task's tree, from one seed."""

    item_id: str
    # 32 hex digits, a function of what determines the rows
    task: Task
    seed: int
    trunks: int
    played_before: bool = False
    # a worker may have journaled answers for it already


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Counts that only grow (in_flight and asking excepted). Sums over workers."""

    episodes_planned: int = 0
    # trunks and the branches decided on so far
    episodes_settled: int = 0
    # played to an end
    episodes_failed: int = 0
    # recorded with a failure; disjoint from settled
    successes: int = 0
    # settled episodes with a return of 1
    in_flight: int = 0
    asking: int = 0
    # LLM calls under way
    forks: int = 0
    steps: int = 0
    spend: Spend = field(default_factory=Spend)

    def __add__(self, other: Progress) -> Progress:
        return Progress(
            episodes_planned=self.episodes_planned + other.episodes_planned,
            episodes_settled=self.episodes_settled + other.episodes_settled,
            episodes_failed=self.episodes_failed + other.episodes_failed,
            successes=self.successes + other.successes,
            in_flight=self.in_flight + other.in_flight,
            asking=self.asking + other.asking,
            forks=self.forks + other.forks,
            steps=self.steps + other.steps,
            spend=self.spend + other.spend,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that an item's rows are published."""

    item_id: str
    progress: Progress
    # this item's totals; in_flight is 0
    rows: Mapping[str, int]
    # table → rows published
    row_hash: Mapping[str, str]
    # table → multiset hash of the rows (storage.rows), 32 hex digits
    early_stop: bool = False
    # the tree was cut short at a limit; its rows are valid, its counts are smaller


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The item could not be played or published."""

    item_id: str
    failure: Failure
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost:
    """The worker that held the item died; the item itself may be innocent."""

    item_id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The worker is stopping: the item is not finished, and what was paid for is in the journal."""

    item_id: str
    reason: str = ""
    # why the worker stopped of its own accord; empty: it was told to


PoolEvent: TypeAlias = Settled | Failed | Paused | WorkerLost
