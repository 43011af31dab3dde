"""How an endpoint's capacity is found and divided."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.rate_control import SETTLE_S, SILENT_S, Governor, Limits, Report

REPORTS = st.builds(
    Report,
    in_flight=st.integers(0, 300),
    waiting=st.integers(0, 300),
    overloaded=st.integers(0, 20),
    pause_s=st.floats(0, 5),
)


@given(
    bound=st.integers(1, 500),
    events=st.lists(st.tuples(st.sampled_from("abcd"), REPORTS, st.floats(0.01, 3)), max_size=60),
)
def test_whatever_is_reported_shares_stay_within_the_bound(bound: int, events: list[tuple[str, Report, float]]) -> None:
    governor, now = Governor(Limits(in_flight=bound)), 0.0
    for worker, report, passed in events:
        now += passed
        lease = governor.lease(worker, report, now=now)
        assert 1 <= governor.limit <= bound
        assert 1 <= lease.in_flight <= governor.limit
        assert lease.pause_s >= 0


@given(demands=st.lists(st.integers(0, 400), min_size=1, max_size=6), bound=st.integers(6, 500))
def test_the_shares_of_all_workers_fit_and_nobody_starves(demands: list[int], bound: int) -> None:
    governor = Governor(Limits(in_flight=bound))
    names = [f"w{index}" for index in range(len(demands))]
    leases = {}
    for _ in range(2):
        for name, demand in zip(names, demands, strict=True):
            leases[name] = governor.lease(name, Report(in_flight=0, waiting=demand, overloaded=0), now=1.0)
    equal = bound // len(demands)
    assert sum(leases[n].in_flight for n, d in zip(names, demands, strict=True) if d) <= bound
    assert all(leases[n].in_flight >= min(d, equal) for n, d in zip(names, demands, strict=True))


def _settle(capacity: int, *, bound: int, seconds: int) -> list[int]:
    """The limit over time, against an endpoint that refuses what is above its capacity."""
    governor, limits, slots = Governor(Limits(in_flight=bound)), [], bound
    for second in range(seconds):
        report = Report(in_flight=min(slots, capacity), waiting=bound, overloaded=max(0, slots - capacity))
        slots = governor.lease("w", report, now=float(second)).in_flight
        limits.append(governor.limit)
    return limits


def test_the_limit_settles_around_what_the_endpoint_bears() -> None:
    limits = _settle(60, bound=400, seconds=300)[60:]
    assert 35 <= min(limits) <= max(limits) <= 80
    assert sum(limits) / len(limits) >= 45


def test_an_endpoint_that_bears_everything_gets_everything_from_the_start() -> None:
    assert set(_settle(400, bound=400, seconds=20)) == {400}


def test_one_overload_lowers_the_limit_once() -> None:
    governor = Governor(Limits(in_flight=100))
    refused = Report(in_flight=50, waiting=0, overloaded=50)
    first = governor.lease("a", refused, now=10.0).in_flight
    governor.lease("b", refused, now=10.5)
    governor.lease("a", refused, now=10.0 + SETTLE_S / 2)
    assert governor.limit == first == 70


def test_after_an_overload_has_passed_the_limit_comes_back_to_the_bound() -> None:
    governor = Governor(Limits(in_flight=100))
    governor.lease("a", Report(in_flight=100, waiting=0, overloaded=40), now=0.0)
    assert governor.limit < 100
    for second in range(1, 60):
        report = Report(in_flight=governor.limit, waiting=50, overloaded=0)
        governor.lease("a", report, now=float(second))
    assert governor.limit == 100


def test_a_worker_that_fell_silent_leaves_its_share_to_the_others() -> None:
    governor = Governor(Limits(in_flight=100, requests_per_min=600))
    busy = Report(in_flight=0, waiting=500, overloaded=0)
    governor.lease("a", busy, now=0.0)
    assert governor.lease("b", busy, now=1.0).in_flight == 50
    alone = governor.lease("b", busy, now=SILENT_S + 0.5)
    assert (alone.in_flight, alone.requests_per_min) == (100, 600)


def test_a_wait_that_one_worker_was_asked_for_holds_for_all() -> None:
    governor = Governor(Limits(in_flight=100))
    governor.lease("a", Report(in_flight=5, waiting=0, overloaded=1, pause_s=30.0), now=0.0)
    assert governor.lease("b", Report(in_flight=5, waiting=0, overloaded=0), now=10.0).pause_s == 20.0
