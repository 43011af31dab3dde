"""What is asked again, how often and after what wait; the server's count is the witness."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat_endpoint import Price
from actors.chat_retry import FIRST_CEILING_S, LAST_CEILING_S, MAX_RETRY_AFTER_S, delay_s, retry_after_s
from rollouts.errors import FailureKind, RolloutError
from tests.chat.conftest import ConnectTo, Sleeper
from tests.chat.personalities import DATE_S, FAULTS_BEFORE_TEXT, RETRY_AFTER_S
from tests.chat.process import RunningServer
from tests.chat.samples import HI, counts_of

Name = Callable[[str], str]
PASSING = [
    "rate-limit-then-text",
    "storm-then-text",
    "reset-then-text",
    "cut-then-text",
    "html-then-text",
    "timeout-408",
    "conflict-409",
    "unavailable-then-text",
    "overloaded-then-text",
]
LASTING = {
    "rate-limit": FailureKind.RATE_LIMIT,
    "overloaded": FailureKind.RATE_LIMIT,
    "storm": FailureKind.INFRASTRUCTURE,
    "reset": FailureKind.INFRASTRUCTURE,
    "cut": FailureKind.INFRASTRUCTURE,
    "html": FailureKind.INFRASTRUCTURE,
    "truncated": FailureKind.INFRASTRUCTURE,
    "no-choices": FailureKind.INFRASTRUCTURE,
    "other-role": FailureKind.INFRASTRUCTURE,
    "huge": FailureKind.INFRASTRUCTURE,
}
FINAL = {
    "bad-request": (FailureKind.REJECTED, False),
    "unprocessable": (FailureKind.REJECTED, False),
    "context-length": (FailureKind.CONTEXT_LENGTH, False),
    "filter": (FailureKind.CONTENT_FILTER, False),
    "filtered": (FailureKind.CONTENT_FILTER, False),
    "wrong-key": (FailureKind.REJECTED, True),
    "forbidden": (FailureKind.REJECTED, True),
    "unknown-model": (FailureKind.REJECTED, True),
    "no-quota": (FailureKind.REJECTED, True),
    "redirect": (FailureKind.REJECTED, True),
}
# personality → kind, fatal


@pytest.mark.parametrize("personality", PASSING)
async def test_a_passing_fault_is_retried_until_the_reply_comes(
    talk: ConnectTo, model: Name, server: RunningServer, sleeper: Sleeper, personality: str
) -> None:
    name = model(personality)
    reply = await talk(name).complete(HI)
    assert reply.text == "Here I am again."
    assert reply.attempts == server.requests(name).asked == FAULTS_BEFORE_TEXT + 1
    assert len(sleeper.slept_s) == FAULTS_BEFORE_TEXT


@pytest.mark.parametrize(("personality", "kind"), LASTING.items())
async def test_a_lasting_fault_is_retried_to_the_limit_and_then_an_error(
    talk: ConnectTo, model: Name, server: RunningServer, personality: str, kind: FailureKind
) -> None:
    name = model(personality)
    with pytest.raises(RolloutError, match=r"gave up after 3 attempts") as caught:
        await talk(name, max_retries=2).complete(HI)
    assert (caught.value.kind, caught.value.fatal, caught.value.usage) == (kind, False, None)
    assert server.requests(name).asked == 3


@pytest.mark.parametrize(("personality", "meaning"), FINAL.items())
async def test_a_refusal_is_never_retried(
    talk: ConnectTo,
    model: Name,
    server: RunningServer,
    sleeper: Sleeper,
    personality: str,
    meaning: tuple[FailureKind, bool],
) -> None:
    name = model(personality)
    with pytest.raises(RolloutError) as caught:
        await talk(name).complete(HI)
    assert (caught.value.kind, caught.value.fatal) == meaning
    assert server.requests(name).asked == 1
    assert sleeper.slept_s == []


@pytest.mark.parametrize(
    ("personality", "deadline", "says"),
    [
        ("hang", "timeout_s", r"no complete reply within timeout_s = 0\.05"),
        ("drip", "timeout_s", r"no complete reply within timeout_s = 0\.05"),
        ("hang", "first_byte_timeout_s", r"nothing came within first_byte_timeout_s = 0\.05"),
    ],
)
async def test_a_hanging_server_is_given_up_at_the_deadline_which_is_named(
    connect: ConnectTo, sleeper: Sleeper, personality: str, deadline: str, says: str
) -> None:
    with pytest.raises(RolloutError, match=says) as caught:
        await connect(personality, max_retries=1, **{deadline: 0.05}).complete(HI)
    assert caught.value.kind is FailureKind.INFRASTRUCTURE
    assert len(sleeper.slept_s) == 1


async def test_a_connection_that_is_never_made_is_given_up_at_its_own_deadline(connect: ConnectTo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers the TLS handshake
        base_url = f"https://127.0.0.1:{silent.getsockname()[1]}/v1"
        with pytest.raises(RolloutError, match=r"no connection within connect_timeout_s = 0\.05"):
            await connect("text", base_url=base_url, connect_timeout_s=0.05, max_retries=0).complete(HI)


async def test_a_reply_that_was_paid_for_and_cannot_be_used_is_counted(talk: ConnectTo) -> None:
    with pytest.raises(RolloutError, match="content filter cut") as caught:
        await talk("filtered", price=Price(prompt_usd=1.0, completion_usd=1.0)).complete(HI)
    assert caught.value.usage is not None
    assert counts_of(caught.value.usage).prompt_tokens == 1000


async def test_an_address_where_nobody_listens_is_tried_again_and_named(connect: ConnectTo, sleeper: Sleeper) -> None:
    with pytest.raises(RolloutError, match=r"http://127\.0\.0\.1:9/v1: the connection broke") as caught:
        await connect("text", base_url="http://127.0.0.1:9/v1", max_retries=2).complete(HI)
    assert caught.value.kind is FailureKind.INFRASTRUCTURE
    assert len(sleeper.slept_s) == 2


@pytest.mark.parametrize(
    ("personality", "now", "asked_s"),
    [
        ("rate-limit-seconds", 0.0, RETRY_AFTER_S),
        ("rate-limit-milliseconds", 0.0, RETRY_AFTER_S),
        ("rate-limit-date", DATE_S - 30.0, 30.0),
        ("rate-limit-date", DATE_S + 30.0, 0.0),
        ("rate-limit-for-hours", 0.0, MAX_RETRY_AFTER_S),
    ],
)
async def test_the_wait_an_endpoint_asks_for_is_kept_up_to_a_cap(
    connect: ConnectTo, model: Name, sleeper: Sleeper, personality: str, now: float, asked_s: float
) -> None:
    await connect(model(personality), now=now).complete(HI)
    assert len(sleeper.slept_s) == FAULTS_BEFORE_TEXT
    for attempt, slept_s in enumerate(sleeper.slept_s):
        assert asked_s <= slept_s <= asked_s + FIRST_CEILING_S * 2**attempt


@given(attempt=st.integers(1, 200), asked=st.none() | st.floats(0, 1e9), seed=st.integers())
def test_a_delay_is_never_shorter_than_asked_and_never_without_bound(
    attempt: int, asked: float | None, seed: int
) -> None:
    delay = delay_s(attempt, retry_after_s=asked, jitter=random.Random(seed))
    least = min(asked or 0.0, MAX_RETRY_AFTER_S)
    assert least <= delay <= least + min(LAST_CEILING_S, FIRST_CEILING_S * 2 ** (attempt - 1))


def test_equal_jitter_gives_equal_delays_and_callers_do_not_march_in_step() -> None:
    def delays(seed: int) -> list[float]:
        jitter = random.Random(seed)
        return [delay_s(attempt, retry_after_s=None, jitter=jitter) for attempt in range(1, 9)]

    assert delays(1) == delays(1)
    assert len({delays(seed)[3] for seed in range(50)}) == 50


@given(value=st.text())
def test_no_retry_after_value_breaks_the_reader(value: str) -> None:
    wait_s = retry_after_s({"Retry-After": value}, now=0.0)
    assert wait_s is None or wait_s >= 0


@given(seconds=st.integers(0, 2**31), now=st.integers(0, 2**31))
def test_a_date_and_the_seconds_until_then_ask_for_the_same_wait(seconds: int, now: int) -> None:
    by_date = retry_after_s({"Retry-After": formatdate(now + seconds, usegmt=True)}, now=now)
    assert by_date == retry_after_s({"Retry-After": str(seconds)}, now=now) == seconds
