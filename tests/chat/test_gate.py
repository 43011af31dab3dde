"""Rate control's side of the client: who passes the gate, and what it is told when they leave."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from actors.chat_client import BYTES_PER_TOKEN
from rollouts.errors import RolloutError
from tests.chat.conftest import ConnectTo
from tests.chat.personalities import FAULTS_BEFORE_TEXT, RETRY_AFTER_S
from tests.chat.process import RunningServer
from tests.chat.samples import HI, saying

Name = Callable[[str], str]


@dataclass(slots=True, kw_only=True)
class CountingGate:
    """Open to a number of requests at once, and remembers everybody."""

    width: int = 1000
    entered: list[int] = field(default_factory=list)
    left: list[tuple[bool, int, float | None]] = field(default_factory=list)
    _free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.width)

    async def enter(self, *, tokens: int) -> None:
        await self._free.acquire()
        self.entered.append(tokens)

    def leave(self, *, overloaded: bool, tokens: int, retry_after_s: float | None) -> None:
        self._free.release()
        self.left.append((overloaded, tokens, retry_after_s))


async def test_a_reply_leaves_with_the_tokens_that_the_endpoint_counted(connect: ConnectTo) -> None:
    gate = CountingGate()
    await connect("text", gate=gate).complete(HI)
    assert gate.left == [(False, 1010, None)]


async def test_a_request_enters_with_an_estimate_of_its_prompt_and_its_longest_reply(connect: ConnectTo) -> None:
    gate = CountingGate()
    client = connect("no-usage", gate=gate, max_tokens=50)
    for request in (HI, saying("x" * 4002), replace(HI, max_tokens=9)):
        await client.complete(request)
    short, long, shorter = gate.entered
    assert long - short == (4002 - len("Hi")) // BYTES_PER_TOKEN
    assert short - shorter in (41, 42)  # the digits of max_tokens itself are part of the body
    assert [tokens for _, tokens, _ in gate.left] == gate.entered  # nobody counted


@pytest.mark.parametrize(
    ("personality", "retry_after_s"),
    [
        ("rate-limit-then-text", None),
        ("rate-limit-seconds", RETRY_AFTER_S),
        ("rate-limit-milliseconds", RETRY_AFTER_S),
        ("unavailable-then-text", None),
        ("overloaded-then-text", None),
    ],
)
async def test_an_overload_is_told_with_the_wait_that_was_asked_for(
    connect: ConnectTo, model: Name, personality: str, retry_after_s: float | None
) -> None:
    gate = CountingGate()
    await connect(model(personality), gate=gate).complete(HI)
    assert gate.left == [(True, 0, retry_after_s)] * FAULTS_BEFORE_TEXT + [(False, 1010, None)]


@pytest.mark.parametrize(
    "personality", ["storm", "reset", "html", "timeout-408", "bad-request", "no-quota", "filtered"]
)
async def test_what_is_no_overload_is_not_told_as_one(connect: ConnectTo, model: Name, personality: str) -> None:
    gate = CountingGate()
    with pytest.raises(RolloutError):
        await connect(model(personality), gate=gate, max_retries=0).complete(HI)
    ((overloaded, tokens, _),) = gate.left
    assert not overloaded
    assert tokens > 0


async def test_a_cancelled_request_leaves_and_a_cancelled_wait_never_entered(
    connect: ConnectTo, model: Name, server: RunningServer
) -> None:
    gate, name = CountingGate(width=1), model("hang")
    client = connect(name, gate=gate)
    sent = asyncio.create_task(client.complete(HI))
    while server.requests(name).asked == 0:
        await asyncio.sleep(0.005)
    waiting = asyncio.create_task(client.complete(HI))
    await asyncio.sleep(0)
    for task in (waiting, sent):
        task.cancel()
    await asyncio.gather(sent, waiting, return_exceptions=True)
    assert (len(gate.entered), len(gate.left)) == (1, 1)


async def test_waiting_at_the_gate_is_no_part_of_the_deadline(connect: ConnectTo) -> None:
    client = connect("slow", gate=CountingGate(width=1), timeout_s=1.0, max_retries=0)
    replies = await asyncio.gather(*(client.complete(HI) for _ in range(11)))
    assert len(replies) == 11  # a tenth of a second each, one after the other


async def test_no_capacity_is_held_by_a_request_that_waits_for_a_connection(connect: ConnectTo) -> None:
    gate = CountingGate()
    client = connect("hang", gate=gate, max_connections=2)
    calls = [asyncio.create_task(client.complete(HI)) for _ in range(5)]
    while len(gate.entered) < 2:
        await asyncio.sleep(0)
    assert len(gate.entered) == 2
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert len(gate.left) == len(gate.entered)
