"""The queue before an engine."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.critic_admission import Admission, Busy, Entrance, Priority

MAX_RUNNING, MAX_WAITING = 3, 4


class Queue(RuleBasedStateMachine):
    """Against a list that is searched from the front."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(max_running=MAX_RUNNING, max_waiting=MAX_WAITING)
        self.running: list[int] = []
        self.waiting: list[tuple[Priority, int]] = []
        self.tickets = 0

    @rule(priority=st.sampled_from(["live", "bulk"]))
    def offer(self, priority: Priority) -> None:
        self.tickets += 1
        place = self.admission.offer(self.tickets, priority)
        if len(self.running) < MAX_RUNNING:
            assert place == "running"
            self.running.append(self.tickets)
        elif sum(waits == priority for waits, _ in self.waiting) < MAX_WAITING:
            assert place == "waiting"
            self.waiting.append((priority, self.tickets))
        else:
            assert place == "refused"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        ticket = data.draw(st.sampled_from(self.running))
        self.running.remove(ticket)
        following = self.admission.leave(ticket)
        expected = min(self.waiting, key=lambda entry: entry[0] != "live", default=None)
        assert following == (expected and expected[1])
        if expected:
            self.waiting.remove(expected)
            self.running.append(expected[1])

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        entry = data.draw(st.sampled_from(self.waiting))
        self.waiting.remove(entry)
        assert self.admission.leave(entry[1]) is None

    @invariant()
    def counts_agree(self) -> None:
        assert self.admission.running == len(self.running) <= MAX_RUNNING
        for priority in ("live", "bulk"):
            assert (
                self.admission.waiting(priority) == sum(waits == priority for waits, _ in self.waiting) <= MAX_WAITING
            )


TestQueue = Queue.TestCase


async def _hold(entrance: Entrance, priority: Priority, name: str, entered: list[str], leave: asyncio.Event) -> None:
    async with entrance.inside(priority):
        entered.append(name)
        await leave.wait()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_live_question_enters_before_bulk_scoring_that_came_first() -> None:
    entrance, entered, leave = Entrance(Admission(max_running=1, max_waiting=9)), list[str](), asyncio.Event()
    order: list[tuple[Priority, str]] = [("bulk", "b0"), ("bulk", "b1"), ("live", "l0"), ("bulk", "b2"), ("live", "l1")]
    tasks = [asyncio.create_task(_hold(entrance, priority, name, entered, leave)) for priority, name in order]
    await _settle()
    assert entered == ["b0"]
    leave.set()
    await asyncio.gather(*tasks)
    assert entered == ["b0", "l0", "l1", "b1", "b2"]


async def test_whoever_is_cancelled_frees_its_place_whether_it_runs_or_waits() -> None:
    entrance, entered, leave = Entrance(Admission(max_running=1, max_waiting=9)), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(_hold(entrance, "live", name, entered, leave)) for name in ("runs", "waits", "last")]
    await _settle()
    tasks[1].cancel()
    tasks[0].cancel()
    await _settle()
    assert entered == ["runs", "last"]
    leave.set()
    await tasks[2]


async def test_a_place_given_to_someone_who_gives_up_in_that_moment_goes_to_the_next() -> None:
    entrance, entered, leave = Entrance(Admission(max_running=1, max_waiting=9)), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(_hold(entrance, "live", name, entered, leave)) for name in ("runs", "called", "last")]
    await _settle()
    tasks[0].cancel()
    await asyncio.sleep(0)
    tasks[1].cancel()
    await _settle()
    assert entered[-1] == "last"
    leave.set()
    await tasks[2]


async def test_one_too_many_is_refused_and_a_full_bulk_queue_refuses_no_live_question() -> None:
    entrance, entered, leave = Entrance(Admission(max_running=1, max_waiting=1)), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(_hold(entrance, "bulk", name, entered, leave)) for name in ("runs", "waits")]
    await _settle()
    with pytest.raises(Busy):
        await _hold(entrance, "bulk", "refused", entered, leave)
    tasks.append(asyncio.create_task(_hold(entrance, "live", "live", entered, leave)))
    await _settle()
    leave.set()
    await asyncio.gather(*tasks)
    assert entered == ["runs", "live", "waits"]
