"""Budgets, and a worker's share of them."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.budget import Allowance, Budget, Stopped
from rollouts.episode import Spend
from rollouts.receipt import Progress


def _progress(*, calls: int, tokens: int = 0, cost_usd: float | None = 0.0, asking: int = 0) -> Progress:
    return Progress(spend=Spend(actor_calls=calls, prompt_tokens=tokens, cost_usd=cost_usd), asking=asking)


def test_without_limits_everything_can_be_afforded() -> None:
    progress = _progress(calls=10**9, tokens=10**12, cost_usd=1e9)
    assert Budget().affordable(progress) is None
    assert Budget().reached(progress.spend) is None


def test_calls_under_way_count_as_spent() -> None:
    assert Budget(calls=100).affordable(_progress(calls=60, asking=30)) == 10
    assert Budget(calls=100).affordable(_progress(calls=60, asking=50)) == 0


def test_tokens_and_money_are_turned_into_calls_at_the_mean_price_so_far() -> None:
    assert Budget(tokens=1_000).affordable(_progress(calls=5, tokens=500)) == 5
    assert Budget(cost_usd=1.0).affordable(_progress(calls=4, cost_usd=0.5)) == 4
    assert Budget(cost_usd=1.0, calls=6).affordable(_progress(calls=4, cost_usd=0.5)) == 2


def test_a_limit_is_reached_when_not_one_more_call_can_be_afforded() -> None:
    assert Budget(tokens=1_000).reached(_progress(calls=9, tokens=899).spend) is None
    assert Budget(tokens=1_000).reached(_progress(calls=9, tokens=950).spend) == "limits.tokens = 1000"
    assert Budget(cost_usd=1.0).reached(_progress(calls=9, cost_usd=0.95).spend) == "limits.cost_usd = 1"


def test_an_unknown_price_stops_no_run() -> None:
    progress = _progress(calls=9, cost_usd=None)
    assert Budget(cost_usd=1.0).affordable(progress) is None
    assert Budget(cost_usd=1.0).reached(progress.spend) is None


@given(limit=st.integers(1, 200), price=st.integers(1, 50), told_every=st.integers(1, 40))
def test_a_limit_on_tokens_is_kept_to_within_one_call(limit: int, price: int, told_every: int) -> None:
    budget, calls = Budget(tokens=limit), 1
    while budget.reached((progress := _progress(calls=calls, tokens=calls * price)).spend) is None:
        more = budget.affordable(progress)
        assert more is not None
        assert more >= 1
        calls += min(more, told_every)
    assert calls == 1 or (calls - 1) * price < limit
    assert (calls + 1) * price > limit


async def test_a_share_is_never_exceeded_and_whoever_waits_goes_on_with_the_next() -> None:
    allowance, started = Allowance(), 0

    async def caller() -> None:
        nonlocal started
        await allowance.start()
        started += 1

    allowance.allow(3)
    tasks = [asyncio.create_task(caller()) for _ in range(10)]
    for told in (3, 3, 4):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert allowance.asking == started
        assert started <= 10
        allowance.allow(told)
    await asyncio.gather(*tasks)
    assert started == 10


async def test_a_share_of_none_lets_everybody_in() -> None:
    allowance = Allowance()
    allowance.allow(0)
    waiting = asyncio.create_task(allowance.start())
    await asyncio.sleep(0)
    assert not waiting.done()
    allowance.allow(None)
    await waiting


async def test_stopping_wakes_those_who_wait_and_refuses_everybody_after() -> None:
    allowance = Allowance()
    allowance.allow(0)
    waiting = asyncio.create_task(allowance.start())
    await asyncio.sleep(0)
    allowance.stop()
    with pytest.raises(Stopped):
        await waiting
    allowance.allow(None)
    with pytest.raises(Stopped):
        await allowance.start()
    assert allowance.asking == 0
