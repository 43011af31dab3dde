"""What one worker does with a work item: grow its tree, publish its rows, hand back the receipt.

The plain class inside every worker shell (local task or Ray actor). `run` never raises for a failed item: it returns the event.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Generic, Protocol, TypeVar

from rollouts.branching import ForkPolicy
from rollouts.budget import Allowance
from rollouts.episode import Failure
from rollouts.errors import DataError, FailureKind, RolloutError, UsageError
from rollouts.explore import explore
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player, PlaySettings
from rollouts.protocols import Answer, Casting, Clock, Environment, Journal, TreeSink
from rollouts.receipt import Failed, Paused, PoolEvent, Progress, Receipt, Settled, WorkerLost, WorkItem
from rollouts.slots import Slots
from rollouts.tree import Tree

S = TypeVar("S")
_log = logging.getLogger(__name__)

FIRST_PAUSE_S = 1.0
ENCODERS = 1
# threads that make a tree's rows and encode them: many short calls into libraries that let go of the interpreter. The more threads
# wait to have it back, the more CPU each tree takes, and each keeps memory of its own (tests.benchmarks.orchestration)
PUBLISHERS = 8
# threads that wait for the store: its disk, or one round trip after the other


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
        outage_s: float,
    ) -> None:
        """`live_episodes`: how many may be under way at once, over all trees of this worker.

        `outage_s`: how long the store of finished trees may be out before the worker stops.

        `publish_partial`: a tree cut short at a limit is published as far as it got; otherwise it pauses until the run is resumed.
        """
        self._environment = environment
        self._casting = casting
        self._policy = policy
        self._settings = settings
        self._sink = sink
        self._clock = clock
        self._slots = Slots(live_episodes)
        self._journal = journal
        self._publish_partial = publish_partial
        self._outage_s = outage_s
        self._meter = Meter()
        self._allowance = Allowance()
        self._encoders = ThreadPoolExecutor(ENCODERS, thread_name_prefix="encode")
        self._publishers = ThreadPoolExecutor(PUBLISHERS, thread_name_prefix="publish")

    async def run(self, item: WorkItem) -> PoolEvent:
        """What became of the item; a bug of ours fails this item alone and is logged with its trace."""
        try:
            event = await self._run(item)
        except RolloutError as error:
            failure = Failure(kind=error.kind, message=str(error), fatal=error.fatal)
            event = Failed(item_id=item.item_id, failure=failure, retryable=not error.fatal)
        except (DataError, UsageError) as error:
            event = Paused(item_id=item.item_id, reason=str(error))
        except Exception as error:  # noqa: BLE001 - the shell's boundary: one item's bug must not end the others
            _log.exception("item %s (task %s) hit a bug", item.item_id, item.task.task_id)
            failure = Failure(kind=FailureKind.BUG, message=f"{type(error).__name__}: {error}")
            event = Failed(item_id=item.item_id, failure=failure, retryable=False)
        return event if isinstance(event, Settled) else await self._unfinished(event)

    async def _unfinished(self, event: Failed | Paused | WorkerLost) -> PoolEvent:
        """Whoever plays the item next, perhaps another worker, finds everything that was paid for."""
        try:
            await self._journal.flush()
        except (DataError, UsageError) as error:
            return Paused(item_id=event.item_id, reason=str(error))
        return event

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
            ledger=Ledger(remembered, append=partial(self._append, item.item_id), allowance=self._allowance),
        )
        tree = await explore(item, player, policy=self._policy, meter=meter, slots=self._slots)
        if tree.early_stop and not self._publish_partial:
            return Paused(item_id=item.item_id, reason=str(self._journal.failed or ""))
        receipt = await self._published(tree)
        self._journal.settled(item.item_id)
        return Settled(receipt=receipt)

    def _append(self, item_id: str, place: str, answer: Answer) -> None:
        self._journal.append(item_id, place, answer)
        if self._journal.failed is not None:
            self._allowance.stop()
            # nothing more is paid for that could not be kept

    async def _published(self, tree: Tree) -> Receipt:
        """A store that is out for a while is waited for; DataError when it stays out."""
        loop = asyncio.get_running_loop()
        publish = await loop.run_in_executor(self._encoders, self._sink.prepare, tree)
        began: float | None = None

        def attempt() -> Receipt:
            # the wait for a free publisher is no outage
            nonlocal began
            began = self._clock() if began is None else began
            return publish()

        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return await loop.run_in_executor(self._publishers, attempt)
            except DataError:
                assert began is not None
                if self._clock() - began + pause_s > self._outage_s:
                    raise
            await asyncio.sleep(pause_s)
            pause_s *= 2

    def progress(self) -> Progress:
        return replace(self._meter.progress(), asking=self._allowance.asking)

    def allow(self, calls: int | None) -> None:
        self._allowance.allow(calls)

    def drain(self) -> None:
        self._allowance.stop()

    async def close(self) -> None:
        try:
            await self._casting.close()
        finally:
            for threads in (self._encoders, self._publishers):
                await asyncio.to_thread(threads.shutdown)
            await self._journal.close()
