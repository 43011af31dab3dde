"""One suite for every worker pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from actors.local_pool import LocalPool
from rollouts.budget import Budget
from rollouts.driver import Observer, drive
from rollouts.episode import Failure
from rollouts.errors import FailureKind
from rollouts.protocols import WorkerPool
from rollouts.receipt import Failed, PoolEvent, Progress, Receipt, Settled, WorkerLost, WorkItem
from rollouts.scheduler import LimitReached, Scheduler, SchedulerSettings, Stop
from tests.toy import ToyActor, ToyRecipe, toy_item

MakePool: TypeAlias = Callable[[ToyRecipe], object]


@asynccontextmanager
async def _local(recipe: ToyRecipe) -> AsyncIterator[WorkerPool]:
    pool = LocalPool(recipe)
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def _ray(recipe: ToyRecipe) -> AsyncIterator[WorkerPool]:
    from actors.ray_workers.pool import RayPool

    pool = await RayPool.start(recipe, workers=2, max_items=8)
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture(params=["local", pytest.param("ray", marks=pytest.mark.ray)])
def make(request: pytest.FixtureRequest) -> Callable[[ToyRecipe], object]:
    if request.param == "ray":
        request.getfixturevalue("ray_cluster")
    return _ray if request.param == "ray" else _local


async def _take(pool: WorkerPool, count: int) -> list[PoolEvent]:
    events = pool.events()
    return [await asyncio.wait_for(anext(events), 60) for _ in range(count)]


class _Books:
    def __init__(self) -> None:
        self.settled: list[Receipt] = []
        self.failed: list[tuple[WorkItem, Failure]] = []
        self.progress: list[Progress] = []

    def observer(self) -> Observer:
        return Observer(
            on_progress=self.progress.append,
            on_settled=self.settled.append,
            on_failed=lambda item, failure: self.failed.append((item, failure)),
        )


async def _drive(pool: WorkerPool, items: int, *, calls: int = 0) -> tuple[_Books, Stop | None]:
    books = _Books()
    scheduler = Scheduler([toy_item(f"task{i}") for i in range(items)], SchedulerSettings(max_launched=4))
    work = drive(scheduler, pool, budget=Budget(calls=calls), before=Progress(), observer=books.observer())
    return books, await asyncio.wait_for(work, 120)


async def test_every_launched_item_comes_back_once(make: MakePool) -> None:
    async with make(ToyRecipe()) as pool:  # type: ignore[attr-defined]
        items = [toy_item(f"task{index}") for index in range(6)]
        for item in items:
            await pool.launch(item)
        events = await _take(pool, 6)
        assert {event.receipt.item_id for event in events if isinstance(event, Settled)} == {i.item_id for i in items}


async def test_pools_give_the_same_receipts(make: MakePool) -> None:
    async with make(ToyRecipe()) as pool:  # type: ignore[attr-defined]
        books, stop = await _drive(pool, 5)
    async with _local(ToyRecipe(actor=ToyActor(wait_s=0.001))) as reference:
        expected, _ = await _drive(reference, 5)
    assert stop is None
    key = lambda receipt: receipt.item_id  # noqa: E731
    assert sorted(books.settled, key=key) == sorted(expected.settled, key=key)


async def test_progress_adds_up_to_the_receipts(make: MakePool) -> None:
    async with make(ToyRecipe()) as pool:  # type: ignore[attr-defined]
        books, _ = await _drive(pool, 4)
    total = sum((receipt.progress for receipt in books.settled), Progress())
    last = books.progress[-1]
    assert last.in_flight == 0
    assert last.episodes_settled == total.episodes_settled == last.episodes_planned
    assert last.spend.actor_calls > last.episodes_settled


async def test_a_bug_fails_its_item_alone_and_names_itself(make: MakePool) -> None:
    async with make(ToyRecipe(bug=True)) as pool:  # type: ignore[attr-defined]
        await pool.launch(toy_item("task0"))
        [event] = await _take(pool, 1)
    assert isinstance(event, Failed)
    assert event.failure.kind is FailureKind.BUG
    assert "KeyError" in event.failure.message
    assert not event.retryable


async def test_a_limit_stops_cleanly_with_everything_paid_for_kept(make: MakePool) -> None:
    async with make(ToyRecipe(actor=ToyActor(wait_s=0.1))) as pool:  # type: ignore[attr-defined]
        books, stop = await _drive(pool, 12, calls=50)
    assert stop == LimitReached(limit="limits.calls = 50")
    assert books.progress[-1].spend.calls == 50
    assert 1 <= len(books.settled) < 12
    assert books.progress[-1].in_flight == 0
    paid = books.progress[-1].episodes_settled + books.progress[-1].episodes_failed
    assert sum(r.progress.episodes_settled + r.progress.episodes_failed for r in books.settled) == paid


async def test_a_closed_pool_ends_its_events(make: MakePool) -> None:
    async with make(ToyRecipe(actor=ToyActor(wait_s=60))) as pool:  # type: ignore[attr-defined]
        await pool.launch(toy_item())
        await pool.close()
        assert [event async for event in pool.events()] == []


@pytest.mark.ray
async def test_a_killed_worker_is_replaced_and_its_items_come_back_as_lost(ray_cluster: None, tmp_path: Path) -> None:
    async with _ray(ToyRecipe(die_once=str(tmp_path / "died"))) as pool:
        await pool.launch(toy_item("task0"))
        [event] = await _take(pool, 1)
        assert isinstance(event, WorkerLost)
        for index in range(4):
            await pool.launch(toy_item(f"task{index}"))
        assert all(isinstance(event, Settled) for event in await _take(pool, 4))


@pytest.mark.ray
async def test_a_run_with_a_killed_worker_still_settles_everything(ray_cluster: None, tmp_path: Path) -> None:
    async with _ray(ToyRecipe(die_once=str(tmp_path / "died"))) as pool:
        books, stop = await _drive(pool, 8)
    assert stop is None
    assert len({receipt.item_id for receipt in books.settled}) == len(books.settled) == 8
    assert books.failed == []
