"""From turns to calls, tokens, money and time."""

from __future__ import annotations

import heapq
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.forecasting.duration import Lane, duration
from rollouts.forecasting.estimate import about, combined, exactly
from rollouts.forecasting.predict import FREE, Calls, Doubt, Prices, RoleFigures, calls_of, role_forecasts
from rollouts.forecasting.profiles import ROLES, CallRates, Role
from rollouts.forecasting.tally import TreeTally, Turns

SURE = Doubt(plays=0.0, tokens=0.0, seconds=0.0)
NOBODY: dict[Role, RoleFigures] = dict.fromkeys(ROLES, RoleFigures(cached_share=0.0))
NOTHING: dict[Role, Calls] = dict.fromkeys(ROLES, Calls())
ALL_FREE: dict[Role, Prices | None] = dict.fromkeys(ROLES, FREE)


def test_turns_become_calls_of_whom_they_ask() -> None:
    tree = TreeTally(
        trunk_turns={"act": Turns(num=10, depth=45), "review": Turns(num=10, depth=45), "open": Turns(num=1)},
        fork_turns={"draw": Turns(num=4, depth=8)},
    )
    calls = calls_of(tree, CallRates(per_turn={"act": 1.5, "draw": 1.0, "review": 0.5, "open": 1.0}))
    assert calls["actor"] == Calls(num=19.0, depth=75.5)
    assert calls["critic"] == Calls(num=5.0, depth=22.5)
    assert (calls["user"].num, calls["judge"].num) == (1.0, 0.0)


def test_prompts_grow_with_depth_and_cached_tokens_have_their_own_price() -> None:
    figures = RoleFigures(prompt_tokens=1_000, tokens_per_step=100, completion_tokens=50, cached_share=0.5)
    price = Prices(prompt=2.0, completion=8.0, cached=0.2)
    _, total = role_forecasts(
        {**NOTHING, "actor": Calls(num=10, depth=45)},
        {**NOBODY, "actor": figures},
        {**ALL_FREE, "actor": price},
        doubt=SURE,
    )
    assert total.prompt_tokens == exactly(10 * 1_000 + 45 * 100)
    assert total.completion_tokens == exactly(500)
    assert total.cached_tokens == exactly(7_250)
    assert total.cost_usd is not None
    assert total.cost_usd.expected == pytest.approx((7_250 * 2.0 + 7_250 * 0.2 + 500 * 8.0) / 1e6)


def test_a_missing_price_makes_the_cost_unknown_and_never_0() -> None:
    asked = {**NOTHING, "actor": Calls(num=10), "user": Calls(num=5)}
    roles, total = role_forecasts(asked, NOBODY, {**ALL_FREE, "user": None}, doubt=SURE)
    assert roles["user"].cost_usd is None
    assert total.cost_usd is None
    assert roles["actor"].cost_usd == exactly(0.0)


def test_a_role_that_is_never_asked_costs_nothing_whatever_its_price() -> None:
    _, total = role_forecasts(NOTHING, NOBODY, dict.fromkeys(ROLES), doubt=SURE)
    assert total.cost_usd == exactly(0.0)


def test_an_unknown_share_of_cached_tokens_stays_unknown() -> None:
    figures = {**NOBODY, "actor": RoleFigures(prompt_tokens=10)}
    _, total = role_forecasts({**NOTHING, "actor": Calls(num=1)}, figures, ALL_FREE, doubt=SURE)
    assert total.cached_tokens is None
    assert total.cost_usd == exactly(0.0)


@given(st.floats(0.0, 1e9), st.floats(0.0, 2.0), st.floats(0.0, 2.0))
def test_more_doubt_never_makes_a_range_narrower(expected: float, doubt: float, more: float) -> None:
    narrow, wide = about(expected, doubt=doubt), about(expected, doubt=combined(doubt, more))
    assert wide.low <= narrow.low <= expected <= narrow.high <= wide.high


@given(st.lists(st.lists(st.floats(0.01, 5.0), min_size=1, max_size=8), min_size=1, max_size=30), st.integers(1, 9))
def test_a_run_takes_as_long_as_the_bounds_say_whatever_is_played_first(episodes: list[list[float]], live: int) -> None:
    """Episodes of serial calls, `live` at once, in any order."""
    random.Random(0).shuffle(episodes)
    ends = [0.0] * live
    for episode in episodes:
        heapq.heappush(ends, heapq.heappop(ends) + sum(episode))
    work = sum(map(sum, episodes))
    found = duration([Lane(name="live", seconds=work / live)], chain_s=max(map(sum, episodes)), start_s=0.0, doubt=0.0)
    assert found.seconds.low - 1e-9 <= max(ends) <= found.seconds.high + 1e-9


def test_the_slowest_lane_is_named() -> None:
    lanes = [Lane(name="run.max_in_flight = 4", seconds=20.0), Lane(name="requests_per_min of x", seconds=60.0)]
    assert duration(lanes, chain_s=5.0, start_s=1.0, doubt=0.0).bound_by == "requests_per_min of x"
    alone = duration(lanes, chain_s=100.0, start_s=1.0, doubt=0.0)
    assert alone.bound_by == "one tree's calls, one after the other"
    assert (alone.seconds.low, alone.seconds.high) == (101.0, 161.0)
