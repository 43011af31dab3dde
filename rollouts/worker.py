"""What one worker does with a work item: grow its tree, publish its rows, hand back the receipt.

The plain class inside every worker shell (local task or Ray actor). `run` never raises for a failed item: it returns the event.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from rollouts.branching import ForkPolicy
from rollouts.budget import Allowance
from rollouts.episode import Failure
from rollouts.errors import DataError, FailureKind, RolloutError
from rollouts.explore import explore
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player, PlaySettings
from rollouts.protocols import Casting, Clock, Environment, Journal, TreeSink
from rollouts.receipt import Failed, Paused, PoolEvent, Progress, Settled, WorkItem

S = TypeVar("S")
_log = logging.getLogger(__name__)


class Worker(Protocol):
    """What a pool runs."""

    async def run(self, item: WorkItem) -> PoolEvent: ...

    def progress(self) -> Progress: ...

    def allow(self, calls: int | None) -> None: ...

    def drain(self) -> None: ...

    async def close(self) -> None: ...


class WorkerRecipe(Protocol):
    """A picklable description of a worker; heavy things are built where it will run."""

    def build(self) -> Worker: ...


class TreeWorker(Generic[S]):
    def __init__(
        self,
        environment: Environment[S],
        *,
        casting: Casting,
        policy: ForkPolicy,
        settings: PlaySettings,
        sink: TreeSink,
        clock: Clock,
        live_episodes: int,
        journal: Journal,
        publish_partial: bool,
    ) -> None:
        """`live_episodes`: how many may be under way at once, over all trees of this worker.

        `publish_partial`: a tree cut short at a limit is published as far as it got; otherwise it pauses until the run is resumed.
        """
        self._environment = environment
        self._casting = casting
        self._policy = policy
        self._settings = settings
        self._sink = sink
        self._clock = clock
        self._slots = asyncio.Semaphore(live_episodes)
        self._journal = journal
        self._publish_partial = publish_partial
        self._meter = Meter()
        self._allowance = Allowance()

    async def run(self, item: WorkItem) -> PoolEvent:
        """Settled, or Failed with what went wrong; a bug of ours fails this item alone and is logged with its trace."""
        try:
            return await self._run(item)
        except RolloutError as error:
            failure = Failure(kind=error.kind, message=str(error), fatal=error.fatal)
            return Failed(item_id=item.item_id, failure=failure, retryable=not error.fatal)
        except DataError as error:
            failure = Failure(kind=FailureKind.INFRASTRUCTURE, message=str(error))
            return Failed(item_id=item.item_id, failure=failure, retryable=True)
        except Exception as error:  # noqa: BLE001 - the shell's boundary: one item's bug must not end the others
            _log.exception("item %s (task %s) hit a bug", item.item_id, item.task.task_id)
            failure = Failure(kind=FailureKind.BUG, message=f"{type(error).__name__}: {error}")
            return Failed(item_id=item.item_id, failure=failure, retryable=False)

    async def _run(self, item: WorkItem) -> PoolEvent:
        meter = Meter(self._meter)
        remembered = await asyncio.to_thread(self._journal.recall, item.item_id) if item.played_before else {}
        player = Player(
            self._environment,
            task=item.task,
            cast=self._casting.cast(item.task),
            seed=item.seed,
            settings=self._settings,
            meter=meter,
            clock=self._clock,
            ledger=Ledger(remembered, append=partial(self._journal.append, item.item_id), allowance=self._allowance),
        )
        tree = await explore(item, player, policy=self._policy, meter=meter, slots=self._slots)
        if tree.early_stop and not self._publish_partial:
            return Paused(item_id=item.item_id)
        receipt = await asyncio.to_thread(self._sink.write, tree)
        self._journal.settled(item.item_id)
        return Settled(receipt=receipt)

    def progress(self) -> Progress:
        return replace(self._meter.progress(), asking=self._allowance.asking)

    def allow(self, calls: int | None) -> None:
        self._allowance.allow(calls)

    def drain(self) -> None:
        self._allowance.stop()

    async def close(self) -> None:
        await self._casting.close()
        await self._journal.close()
