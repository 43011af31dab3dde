"""Start a run or go on with one: the shell from a configuration to a finished (or resumable) run.

A run may be started any number of times. What is published is never played again; what failed or was interrupted is.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any, Literal, assert_never

import uvloop

from infra.casting import check_keys
from infra.config import RunConfig, check_run_id, data_config, default_run_id, differing_keys, effective, parse_config
from infra.display import Display
from infra.forecast import forecast
from infra.forecast_limits import check_budget
from infra.pipeline import max_items_out, open_environment, open_root, plan, worker_pool
from infra.prediction import stored_forecast
from infra.runs import RunStatus, read_status, refreshed
from rollouts.budget import Budget
from rollouts.driver import Observer, drive
from rollouts.episode import Failure
from rollouts.errors import DataError, UsageError
from rollouts.protocols import Environment
from rollouts.receipt import Progress, Receipt, WorkItem
from rollouts.scheduler import Interrupted, LimitReached, Outage, Scheduler, SchedulerSettings, Stop
from storage.journal_sweep import drop_journal, sweep_journal
from storage.leases import Lease, hold_lease
from storage.objects import ObjectStore
from storage.root import claim_root
from storage.runs import DomainBriefing, PlannedItem, RunRecord, create_run, find_run, record_failure
from storage.sealing import seal

GRACE_S = 20.0
# for the calls under way once somebody asks the run to stop: they are paid for; Kubernetes kills 30 s after its SIGTERM
LOSSES = 5
# dead workers that one item may see before it is given up: enough for a bad hour, not for an item that kills its workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A run that exists in storage, and what of it is left to play."""

    config: RunConfig
    run_id: str
    store: ObjectStore
    items: tuple[WorkItem, ...]
    before: RunStatus
    # as it was found

    @property
    def left(self) -> list[WorkItem]:
        return [item for item in self.items if item.item_id not in self.before.receipts]

    def now(self) -> RunStatus:
        return refreshed(self.store, self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How this session of the run ended. The run itself is what its root says (`infra.runs.read_status`)."""

    how: Literal["complete", "failed", "stopped", "interrupted"]
    why: str
    wall_s: float
    exit_code: int
    asked_to_stop: bool = False
    # by a signal; what was under way may have been all there was left


# -- prepare ----------------------------------------------------------------------------------------------------------


def prepare(config: RunConfig, *, name: str, run_id: str | None = None, allow_test: bool = False) -> Prepared:
    """Plan the run and write its record, or find it again.

    UsageError when the id belongs to a run with another configuration (the differing keys are named), when the tasks are not to be
    generated from (`allow_test`: an evaluation may play a test split), when a limit is smaller than one episode, or when something
    that the run needs is not installed.
    """
    world = open_environment(config)
    items = plan(config, world, allow_test=allow_test)
    check_keys(config)
    # asks for keys now: a missing one is told before anything is written or started
    chosen = check_run_id(run_id or config.run.id or default_run_id(config, name))
    store = open_root(config)
    if (existing := find_run(store, chosen)) is not None:
        _check_same(existing, config, items)
        check_budget(config, existing.forecast)
        claim_root(store)
    else:
        told = forecast(config, items, world, store, name=name, run_id=chosen)
        # refuses a budget that buys nothing before anything is written
        claim_root(store)
        create_run(store, _record(config, chosen, items, world, stored_forecast(told)))
    return Prepared(config=config, run_id=chosen, store=store, items=items, before=read_status(store, chosen))


def _check_same(existing: RunRecord, config: RunConfig, items: Sequence[WorkItem]) -> None:
    stored = parse_config(existing.config, source=f"run {existing.run_id}")
    if differing := differing_keys(data_config(stored), data_config(config)):
        raise UsageError(
            f"run {existing.run_id!r} exists with another configuration. What differs (stored -> given):\n  "
            + "\n  ".join(differing)
            + "\nChoose another --run-id, or go on with the stored configuration: "
            f"treeroll resume {existing.run_id} --root {config.storage.root}"
        )
    if [item.item_id for item in existing.items] != [item.item_id for item in items]:
        raise UsageError(
            f"run {existing.run_id!r} was planned on other tasks: the environment's data or version, or the file of tasks.source, "
            "has changed since. Choose another --run-id, or put back what it was planned with (the rows' env_version tells)"
        )


def _record(
    config: RunConfig, run_id: str, items: Sequence[WorkItem], world: Environment[Any], told: Mapping[str, Any]
) -> RunRecord:
    first = world.briefing(items[0].task) if items else None
    briefings = (
        (DomainBriefing(domain=config.tasks.domain, policy=first.policy, tools=first.tools),)
        if first is not None
        else ()
    )
    return RunRecord(
        run_id=run_id,
        config=effective(config),
        items=tuple(
            PlannedItem(
                item_id=item.item_id,
                task_id=item.task.task_id,
                domain=item.task.domain,
                split=item.task.split,
                seed=item.seed,
            )
            for item in items
        ),
        briefings=briefings,
        treeroll_version=metadata.version("treeroll"),
        created_by={name: metadata.version(name) for name in ("ray", "pyarrow")},
        forecast=told,
    )


# -- play -------------------------------------------------------------------------------------------------------------


def play(prepared: Prepared, display: Display) -> Ended:
    """Play what is left. Ctrl-C and SIGTERM let the calls under way end (for GRACE_S, or until a second one), then stop.

    UsageError when another process plays the run, or has taken it over from this one.
    """
    began = time.monotonic()
    try:
        with hold_lease(prepared.store, prepared.run_id) as lease, _cluster(prepared.config):
            found = replace(prepared, before=prepared.now())
            # what another process published while we waited for the lease is not played again
            stop, asked = uvloop.run(_heeding_signals(found, display, began, lease))
        lease.check()
        if not isinstance(stop, Outage):
            seal(prepared.store, prepared.run_id)
            # so that the next reader opens one object in place of thousands
    except (KeyboardInterrupt, asyncio.CancelledError):
        return Ended(how="interrupted", why="", wall_s=time.monotonic() - began, exit_code=130)
    finally:
        display.close()
    wall_s = time.monotonic() - began
    match stop:
        case LimitReached(limit=limit):
            return Ended(how="stopped", why=f"{limit} reached", wall_s=wall_s, exit_code=3)
        case Outage(reason=reason):
            return Ended(how="stopped", why=reason, wall_s=wall_s, exit_code=3)
        case Interrupted():
            return Ended(how="interrupted", why="", wall_s=wall_s, exit_code=130)
        case Failure(message=message):
            return Ended(how="failed", why=message, wall_s=wall_s, exit_code=1)
        case None:
            return replace(_ended(prepared, wall_s), asked_to_stop=asked)
        case _:
            assert_never(stop)


def _ended(prepared: Prepared, wall_s: float) -> Ended:
    failures = prepared.now().failures
    if not failures:
        return Ended(how="complete", why="", wall_s=wall_s, exit_code=0)
    example = next(iter(failures.values()))
    why = f"{len(failures)} of {len(prepared.items)} tasks failed; for example {example.kind}: {example.message}"
    return Ended(how="failed", why=why, wall_s=wall_s, exit_code=1)


def _cluster(config: RunConfig) -> contextlib.AbstractContextManager[None]:
    if config.run.pool == "local":
        return contextlib.nullcontext()
    from actors.ray_workers.cluster import cluster

    return cluster(workers=config.run.workers)


async def _heeding_signals(
    prepared: Prepared, display: Display, began: float, lease: Lease
) -> tuple[Stop | None, bool]:
    """The first signal asks the run to stop, a second one or the end of the grace period ends it at once.

    Why it stopped early, if it did, and whether it was asked to.
    """
    loop = asyncio.get_running_loop()
    signals: list[asyncio.TimerHandle] = []
    work = asyncio.ensure_future(
        _drive(prepared, display, began, interrupted=lambda: bool(signals) or lease.lost.is_set())
    )

    def signalled() -> None:
        if signals:
            work.cancel()
        else:
            display.note(f"stopping: waiting up to {GRACE_S:g} s for the calls under way; once more to stop at once")
            signals.append(loop.call_later(GRACE_S, work.cancel))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    try:
        return await work, bool(signals)
    finally:
        for timer in signals:
            timer.cancel()


async def _drive(prepared: Prepared, display: Display, began: float, *, interrupted: Callable[[], bool]) -> Stop | None:
    config, store, run_id = prepared.config, prepared.store, prepared.run_id
    journaled = sweep_journal(store, run_id, unsettled=[item.item_id for item in prepared.left])
    items = [replace(item, played_before=item.item_id in journaled.items) for item in prepared.left]
    paid = replace(prepared.before.progress, spend=prepared.before.progress.spend + journaled.spend)
    settings = SchedulerSettings(max_launched=max_items_out(config), attempts=config.run.item_attempts, losses=LOSSES)
    limits = config.limits
    scheduler = Scheduler(items, settings)
    try:
        async with worker_pool(config, run_id) as pool:
            await drive(
                scheduler,
                pool,
                budget=Budget(calls=limits.calls, tokens=limits.tokens, cost_usd=limits.cost_usd),
                before=paid,
                observer=_observer(prepared, display, lambda: time.monotonic() - began),
                interrupted=interrupted,
            )
        status = prepared.now()
    except DataError as error:
        if not scheduler.finished:
            raise
        # everything was played or put aside when the store went away: what is left of the end is done by `resume`
        return scheduler.stop or Outage(reason=str(error))
    stop = scheduler.stop
    if status.state != "done" or status.early_stops:
        return stop
    drop_journal(store, run_id)
    return None
    # whatever asked it to stop came when the last of it was under way


def _observer(prepared: Prepared, display: Display, elapsed: Callable[[], float]) -> Observer:
    done = len(prepared.before.receipts)

    def settled(receipt: Receipt) -> None:
        nonlocal done
        done += 1

    def failed(item: WorkItem, failure: Failure) -> None:
        nonlocal done
        done += 1
        record_failure(prepared.store, prepared.run_id, item.item_id, failure)

    def progressed(progress: Progress) -> None:
        display.update(progress, items_done=done, items_total=len(prepared.items), elapsed_s=elapsed())

    return Observer(on_progress=progressed, on_settled=settled, on_failed=failed)
