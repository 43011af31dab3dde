"""The scheduler's promises, against any order of events."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.episode import Failure
from rollouts.errors import FailureKind
from rollouts.receipt import Failed, Progress, Receipt, Settled, WorkerLost
from rollouts.scheduler import (
    Command,
    Drain,
    Event,
    Launch,
    LimitReached,
    RecordFailure,
    RecordSettled,
    Scheduler,
    SchedulerSettings,
)
from tests.toy import toy_item

SETTINGS = SchedulerSettings(max_launched=3, attempts=2, losses=3)
BROKEN = Failure(kind=FailureKind.INFRASTRUCTURE, message="broken")
FATAL = Failure(kind=FailureKind.REJECTED, message="wrong key", fatal=True)


def _settled(item_id: str) -> Settled:
    return Settled(receipt=Receipt(item_id=item_id, progress=Progress(), rows={}, row_hash={}))


def _event(kind: str, item_id: str) -> Event:
    events: dict[str, Event] = {
        "settled": _settled(item_id),
        "failed": Failed(item_id=item_id, failure=BROKEN, retryable=True),
        "hopeless": Failed(item_id=item_id, failure=BROKEN, retryable=False),
        "fatal": Failed(item_id=item_id, failure=FATAL, retryable=False),
        "lost": WorkerLost(item_id=item_id, reason="killed"),
        "limit": LimitReached(limit="limits.calls = 1"),
    }
    return events[kind]


class _World:
    """Feeds events and keeps the books."""

    def __init__(self, items: int) -> None:
        self.ids = [toy_item(f"task{index}").item_id for index in range(items)]
        self.scheduler = Scheduler([toy_item(f"task{index}") for index in range(items)], SETTINGS)
        self.out: Counter[str] = Counter()
        self.launches: Counter[str] = Counter()
        self.recorded: Counter[str] = Counter()
        self.take(self.scheduler.start())

    def feed(self, event: Event) -> None:
        match event:
            case Settled(receipt=receipt):
                self.out.pop(receipt.item_id, None)
            case Failed(item_id=item_id) | WorkerLost(item_id=item_id):
                self.out.pop(item_id, None)
            case LimitReached():
                pass
        self.take(self.scheduler.on_event(event))

    def take(self, commands: list[Command]) -> None:
        for command in commands:
            match command:
                case Launch(item=item):
                    assert self.scheduler.stop is None
                    self.out[item.item_id] += 1
                    self.launches[item.item_id] += 1
                case RecordSettled(receipt=receipt):
                    self.recorded[receipt.item_id] += 1
                case RecordFailure(item=item):
                    self.recorded[item.item_id] += 1
                case Drain():
                    pass
        assert all(count == 1 for count in self.out.values())
        assert len(self.out) <= SETTINGS.max_launched


@given(st.data(), st.integers(min_value=0, max_value=7))
def test_each_item_settles_once_whatever_the_order_of_failures_and_deaths(data: st.DataObject, items: int) -> None:
    world = _World(items)
    kinds = st.sampled_from(["settled", "failed", "hopeless", "lost"])
    late = st.sampled_from(world.ids) if world.ids else st.nothing()
    while not world.scheduler.finished:
        world.feed(_event(data.draw(kinds), data.draw(st.sampled_from(sorted(world.out)))))
        if data.draw(st.booleans()):
            stale = data.draw(late)
            if stale not in world.out:
                world.feed(_event(data.draw(kinds), stale))
    assert world.recorded == Counter(world.ids)
    assert max(world.launches.values(), default=0) <= SETTINGS.attempts + SETTINGS.losses - 1
    assert not world.out


@given(st.data())
def test_after_a_limit_or_a_fatal_failure_nothing_is_launched_and_what_is_out_is_awaited(data: st.DataObject) -> None:
    world = _World(6)
    stop = data.draw(st.sampled_from(["limit", "fatal"]))
    world.feed(_event(stop, sorted(world.out)[0]))
    launched = sum(world.launches.values())
    while not world.scheduler.finished:
        assert world.out
        world.feed(_event(data.draw(st.sampled_from(["settled", "failed", "lost"])), sorted(world.out)[0]))
    assert sum(world.launches.values()) == launched
    assert max(world.recorded.values(), default=1) == 1
    assert world.scheduler.stop == (_event("limit", "") if stop == "limit" else FATAL)


def test_a_limit_drains_the_workers_once() -> None:
    scheduler = Scheduler([toy_item()], SETTINGS)
    scheduler.start()
    assert scheduler.on_event(LimitReached(limit="a")) == [Drain()]
    assert scheduler.on_event(LimitReached(limit="b")) == []


def test_an_item_of_a_fatal_failure_is_not_recorded_as_failed_so_that_resume_plays_it() -> None:
    world = _World(2)
    world.feed(_event("fatal", world.ids[0]))
    world.feed(_settled(world.ids[1]))
    assert world.scheduler.finished
    assert world.recorded == Counter([world.ids[1]])


@pytest.mark.parametrize(("kind", "times"), [("failed", SETTINGS.attempts), ("lost", SETTINGS.losses), ("hopeless", 1)])
def test_an_item_is_given_up_after_its_own_number_of_tries(kind: str, times: int) -> None:
    world = _World(1)
    for _ in range(times):
        assert not world.scheduler.finished
        world.feed(_event(kind, world.ids[0]))
    assert world.scheduler.finished
    assert world.recorded == Counter(world.ids)


def test_a_plan_without_items_is_finished_at_once() -> None:
    scheduler = Scheduler([], SETTINGS)
    assert scheduler.start() == []
    assert scheduler.finished
