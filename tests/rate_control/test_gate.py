"""The worker's gates."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.leased_gate import Gates, LeasedGate, OwnGovernors
from actors.rate_control import Lease, Limits, Report


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def _lease(in_flight: int, *, requests_per_min: float = 0.0, pause_s: float = 0.0) -> Lease:
    return Lease(in_flight=in_flight, requests_per_min=requests_per_min, tokens_per_min=0.0, pause_s=pause_s)


async def _turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_those_who_wait_enter_in_the_order_in_which_they_came() -> None:
    gate, entered = LeasedGate(Limits(in_flight=1), clock=Clock()), []

    async def one(name: int) -> None:
        await gate.enter(tokens=1)
        entered.append(name)
        await asyncio.sleep(0)
        gate.leave(overloaded=False, tokens=1, retry_after_s=None)

    await asyncio.gather(*(one(name) for name in range(20)))
    assert entered == list(range(20))


@settings(max_examples=40, deadline=None)
@given(slots=st.integers(1, 5), plan=st.lists(st.sampled_from(["stay", "cancel", "overload"]), max_size=30))
def test_the_slots_are_never_exceeded_and_none_is_lost_whoever_is_cancelled(slots: int, plan: list[str]) -> None:
    async def scenario() -> None:
        gate = LeasedGate(Limits(in_flight=slots), clock=Clock())
        inside = most = 0

        async def one(kind: str) -> None:
            nonlocal inside, most
            await gate.enter(tokens=1)
            inside += 1
            most = max(most, inside)
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1
                gate.leave(overloaded=kind == "overload", tokens=1, retry_after_s=None)

        tasks = [asyncio.create_task(one(kind)) for kind in plan]
        await asyncio.sleep(0)
        for task, kind in zip(tasks, plan, strict=True):
            if kind == "cancel":
                task.cancel()
                await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert most <= slots
        assert gate.report().in_flight == 0
        gate.apply(_lease(slots))
        for _ in range(slots):
            await asyncio.wait_for(gate.enter(tokens=1), 1)

    asyncio.run(scenario())


async def test_an_overload_lowers_the_slots_at_once_and_once_per_lease() -> None:
    gate = LeasedGate(Limits(in_flight=10), clock=Clock())
    for _ in range(10):
        await gate.enter(tokens=1)
    for _ in range(9):
        gate.leave(overloaded=True, tokens=1, retry_after_s=None)
    assert gate.report() == Report(in_flight=1, waiting=0, overloaded=9)
    for _ in range(6):
        await gate.enter(tokens=1)
    blocked = asyncio.create_task(gate.enter(tokens=1))
    await _turn()
    assert not blocked.done()
    gate.apply(_lease(10))
    await asyncio.wait_for(blocked, 1)


async def test_a_wait_that_the_endpoint_asks_for_closes_the_gate_for_everybody() -> None:
    clock = Clock()
    gate = LeasedGate(Limits(in_flight=10), clock=clock)
    await gate.enter(tokens=1)
    gate.leave(overloaded=True, tokens=0, retry_after_s=5.0)
    blocked = asyncio.create_task(gate.enter(tokens=1))
    await _turn()
    assert not blocked.done()
    assert gate.report().pause_s == 5.0
    clock.now = 5.1
    gate.apply(_lease(10))
    await asyncio.wait_for(blocked, 1)


async def test_requests_per_minute_are_kept_over_any_stretch_of_time() -> None:
    clock, sent = Clock(), []
    gate = LeasedGate(Limits(in_flight=1000, requests_per_min=600), clock=clock)
    tasks = [asyncio.create_task(gate.enter(tokens=1)) for _ in range(300)]
    for _ in range(200):
        await _turn()
        sent.append(sum(task.done() for task in tasks))
        clock.now += 0.1
        gate.apply(_lease(1000, requests_per_min=600))
    for task in tasks:
        task.cancel()
    per_ten_seconds = [later - earlier for earlier, later in zip(sent, sent[100:], strict=False)]
    assert max(per_ten_seconds) <= 112
    assert min(per_ten_seconds) >= 98


async def test_tokens_that_were_guessed_too_low_are_paid_back() -> None:
    clock = Clock()
    gate = LeasedGate(Limits(in_flight=10, tokens_per_min=6000), clock=clock)
    await gate.enter(tokens=10)
    gate.leave(overloaded=False, tokens=1100, retry_after_s=None)
    blocked = asyncio.create_task(gate.enter(tokens=10))
    for seconds, entered in ((9.0, False), (10.1, True)):
        clock.now = seconds
        gate.apply(Lease(in_flight=10, requests_per_min=0, tokens_per_min=6000, pause_s=0))
        await _turn()
        assert blocked.done() == entered


class Silent:
    async def leases(self, worker: str, reports: Mapping[str, Report]) -> Mapping[str, Lease]:
        raise ConnectionError("nobody there")


async def test_while_nobody_answers_the_last_lease_holds(caplog: pytest.LogCaptureFixture) -> None:
    gates = Gates({"actor": Limits(in_flight=2)}, source=Silent(), worker="w", clock=Clock())
    await gates.renew_once()
    await gates.gate("actor").enter(tokens=1)
    await gates.gate("actor").enter(tokens=1)
    assert "the last ones hold" in caplog.text


async def test_two_workers_share_what_the_endpoint_bears() -> None:
    clock = Clock()
    limits = {"actor": Limits(in_flight=100)}
    source = OwnGovernors(limits, clock=clock)
    first, second = (Gates(limits, source=source, worker=name, clock=clock) for name in "ab")
    waiting = [asyncio.create_task(g.gate("actor").enter(tokens=1)) for g in (first, second) for _ in range(100)]
    await _turn()
    for gates in (first, second, first):
        clock.now += 1
        await gates.renew_once()
    assert first.gate("actor")._slots == second.gate("actor")._slots == 50
    for task in waiting:
        task.cancel()


@pytest.mark.ray
async def test_workers_in_other_processes_lease_from_one_governor(ray_cluster: None) -> None:
    import ray

    from actors.ray_workers.governor import start_governors

    limits = {"actor": Limits(in_flight=100)}
    governors, handle = start_governors(limits)
    governors = pickle.loads(pickle.dumps(governors))  # noqa: S301 - our own
    report = {"actor": Report(in_flight=0, waiting=500, overloaded=0)}
    await governors.leases("a", report)
    shared = await governors.leases("b", report)
    assert shared["actor"].in_flight == 50
    ray.kill(handle)
    with pytest.raises(ConnectionError):
        await governors.leases("a", report)
