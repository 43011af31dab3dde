"""`treeroll score`: a critic's verdicts on what a run has recorded, batch after batch.

One batch is under way at a time: its questions are asked, its rows are published at once, then comes the next. So a kill loses at
most one batch, which is asked again. Typed again, the command goes on after the last published batch; a run that is still being
played can be scored, and scored again when there is more of it.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import uvloop

from actors.chat_casting import CriticSource
from infra.casting import Role, check_keys, identities, lone_critic
from infra.config import RunConfig, parse_config
from infra.pipeline import open_environment, open_root, plan, served_critics
from infra.score_asking import Asking, OutOfReach, ask_all
from infra.served_critics import served_record
from rollouts.episode import Task
from rollouts.errors import DataError, UsageError
from rollouts.protocols import Critic
from storage.draft_batches import DraftSlice, draft_batches, items_left
from storage.item_rows import ItemRows
from storage.markers import Marker, read_markers
from storage.objects import ObjectStore
from storage.parts import leave_pandas_out
from storage.rows import Row
from storage.runs import RunRecord
from storage.scorings import Covered, read_batches
from storage.verdicts import publish_batch, verdict_row

if TYPE_CHECKING:
    from actors.ray_workers.critic_pool import CriticPool


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """One run and one critic, and how far they were found to be."""

    config: RunConfig
    # the run's, with this critic
    record: RunRecord
    store: ObjectStore
    scorer: str
    markers: Mapping[str, Marker]
    # of the published items
    scored: Mapping[str, Covered]
    num_batches: int
    # published

    @property
    def num_left(self) -> int:
        """Items that are published and not scored to their end."""
        return len(items_left(self.record, self.markers, self.scored))


End: TypeAlias = Literal["complete", "stopped", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """How this session of the scoring ended."""

    how: End
    why: str
    drafts: int
    # scored and published by this session
    wall_s: float
    served: Mapping[str, Any]
    # what the replicas of a vLLM critic did; empty for another critic, and when it was interrupted

    @property
    def exit_code(self) -> int:
        return {"complete": 0, "stopped": 3, "interrupted": 130}[self.how]


Told = Callable[[int, int], None]
# is told, after each batch, of items scored to their end and of drafts scored, both by this session


def prepare(config: RunConfig, record: RunRecord) -> Scoring:
    """Find what is scored already. UsageError when a key that the critic needs is not in the environment."""
    asks: Role = "actor" if config.critic.kind == "self" else "critic"
    check_keys(config, roles=[asks])
    store, scorer = open_root(config), identities(config)["critic"]
    batches = list(read_batches(store, record.run_id, scorer=scorer))
    return Scoring(
        config=config,
        record=record,
        store=store,
        scorer=scorer,
        markers={marker.item_id: marker for marker in read_markers(store, record.run_id)},
        scored={covered.item_id: covered for batch in batches for covered in batch.covered},
        num_batches=len(batches),
    )


def score(scoring: Scoring, *, batch_drafts: int, told: Told) -> Scored:
    """Score what is left; Ctrl-C and SIGTERM end it at once. DataError for a failure that every question shares."""
    leave_pandas_out()
    session = Session(scoring, batch_drafts=batch_drafts, told=told)
    began = time.monotonic()

    def ended(how: End, why: str = "") -> Scored:
        wall_s = time.monotonic() - began
        return Scored(how=how, why=why, drafts=session.drafts, wall_s=wall_s, served=session.served)

    try:
        with _cluster(scoring.config):
            uvloop.run(_heeding_sigterm(session))
    except OutOfReach as out:
        return ended("stopped", str(out))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return ended("interrupted")
    return ended("complete")


async def _heeding_sigterm(session: Session) -> None:
    """As Ctrl-C, which asyncio heeds by itself."""
    work = asyncio.ensure_future(session.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    await work


def _cluster(config: RunConfig) -> AbstractContextManager[None]:
    if config.critic.kind != "vllm":
        return nullcontext()
    from actors.ray_workers.cluster import cluster

    return cluster(workers=1)


class Session:
    """One way through what is left."""

    def __init__(self, scoring: Scoring, *, batch_drafts: int, told: Told) -> None:
        self._scoring = scoring
        self._told = told
        self._number = scoring.num_batches
        self._items = 0
        self._tasks = _tasks(scoring.config, scoring.record)
        rows = ItemRows(scoring.store, scoring.record.run_id, endpoint_url=scoring.config.storage.endpoint_url)
        self._batches: Iterator[list[DraftSlice]] = draft_batches(
            rows, scoring.markers, record=scoring.record, scored=scoring.scored, batch_drafts=batch_drafts
        )
        self.drafts = 0
        self.served: Mapping[str, Any] = {}

    async def run(self) -> None:
        """Raises OutOfReach; what is published stays. Of a vLLM critic it needs a surrounding cluster."""
        async with self._critic() as critic:
            coming = asyncio.ensure_future(self._next())
            while batch := await coming:
                coming = asyncio.ensure_future(self._next())
                # read while this one is asked about
                try:
                    await self._score(batch, critic)
                except BaseException:
                    coming.cancel()
                    raise

    async def _next(self) -> list[DraftSlice]:
        return await asyncio.to_thread(next, self._batches, [])

    async def _score(self, batch: Sequence[DraftSlice], critic: CriticSource) -> None:
        scorer, run_id = self._scoring.scorer, self._scoring.record.run_id
        judges = [(part, critic(self._tasks[part.planned.item_id])) for part in batch]
        asking = [
            Asking(critic=judge, question=partial(part.question, draft)) for part, judge in judges for draft in part
        ]
        answers = await ask_all(asking, max_out=self._scoring.config.run.max_in_flight)
        drafts = [draft for part in batch for draft in part]
        rows = [
            verdict_row(draft, answer.said, answer.usage, scorer=scorer)
            for draft, answer in zip(drafts, answers, strict=True)
        ]
        if not await asyncio.to_thread(self._publish, rows, [part.covered for part in batch]):
            raise UsageError(
                f"another process scores run {run_id} with this critic and has published batch {self._number}; let it end, or end "
                "it and type this again: it goes on from there"
            )
        self._number += 1
        self._items += sum(part.covered.is_all for part in batch)
        self.drafts += len(rows)
        self._told(self._items, self.drafts)

    def _publish(self, rows: Sequence[Row], covered: Sequence[Covered]) -> bool:
        """Raises OutOfReach when the store takes nothing: what it holds is sound, and this batch is asked about again."""
        scoring = self._scoring
        try:
            return publish_batch(
                scoring.store,
                rows,
                run_id=scoring.record.run_id,
                scorer=scoring.scorer,
                number=self._number,
                covered=covered,
            )
        except DataError as error:
            raise OutOfReach(str(error)) from error

    @asynccontextmanager
    async def _critic(self) -> AsyncIterator[CriticSource]:
        config = self._scoring.config
        async with AsyncExitStack() as stack:
            pool = await stack.enter_async_context(served_critics(config)) if config.critic.kind == "vllm" else None
            served = self._bulk_critic(pool, stack) if pool is not None else None
            critic, closing = lone_critic(config, served_critic=served)
            for closable in reversed(closing):
                stack.push_async_callback(closable.close)
            yield critic
            if pool is not None:
                self.served = served_record(await pool.stats())

    def _bulk_critic(self, pool: CriticPool, stack: AsyncExitStack) -> Critic:
        """Asks with the priority of bulk scoring: the questions of live episodes go first."""
        from actors.ray_workers.ray_critic import RayCritic

        config = self._scoring.config
        critic = RayCritic(
            pool.replicas, max_out=config.run.max_in_flight, timeout_s=config.critic.timeout_s, priority="bulk"
        )
        stack.push_async_callback(critic.close)
        return critic


def _tasks(config: RunConfig, record: RunRecord) -> Mapping[str, Task]:
    """Item → its task; with the environment's own record of it only where the critic is a stand-in, which knows the gold plan."""
    if config.critic.kind != "scripted":
        return {
            item.item_id: Task(task_id=item.task_id, domain=item.domain, split=item.split, data={})
            for item in record.items
        }
    played = parse_config(record.config, source=f"run {record.run_id}")
    tasks = {item.item_id: item.task for item in plan(played, open_environment(played), allow_test=True)}
    if missing := [item.task_id for item in record.items if item.item_id not in tasks]:
        raise UsageError(
            f"a scripted critic needs the tasks that run {record.run_id} played, and {len(missing)} of them (such as {missing[0]}) "
            "are not the same any more: the environment's data or version, or the file of tasks.source, has changed since"
        )
    return tasks
