"""One server for all chat tests; each test names its model after itself, so that it counts its own requests only."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeAlias

import pytest

from actors.chat_client import ChatClient
from actors.chat_gate import Gate, NoGate
from tests.chat.process import RunningServer, running_server
from tests.chat.samples import endpoint

KEY = "sk-" + "not-a-real-key-0123456789"
ENVIRON: Mapping[str, str] = {"TEST_CHAT_KEY": KEY}


class Sleeper:
    """Sleeps no time and remembers what it was asked for."""

    def __init__(self) -> None:
        self.slept_s: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        await asyncio.sleep(0)


ConnectTo: TypeAlias = Callable[..., ChatClient]


@pytest.fixture(scope="session")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """A personality's model name that no other test uses."""
    return lambda personality: f"{personality}:{request.node.nodeid}"


@pytest.fixture
async def connect(server: RunningServer, sleeper: Sleeper) -> AsyncIterator[ConnectTo]:
    """`connect(model, **fields of Endpoint)`: a client that sleeps no time between its attempts."""
    clients: list[ChatClient] = []

    def to(
        name: str,
        *,
        now: float = 0.0,
        gate: Gate = NoGate(),
        clock: Callable[[], float] = time.monotonic,
        **fields: Any,
    ) -> ChatClient:
        fields = {"base_url": server.base_url, "api_key_env": "TEST_CHAT_KEY", **fields}
        client = ChatClient(
            endpoint(model=name, **fields),
            jitter=random.Random(0),
            gate=gate,
            clock=clock,
            sleep=sleeper,
            wall_clock=lambda: now,
            environ=ENVIRON,
        )
        clients.append(client)
        return client

    yield to
    for client in clients:
        await client.close()


@pytest.fixture(params=["openai", "anthropic"])
def talk(request: pytest.FixtureRequest, connect: ConnectTo) -> ConnectTo:
    """`connect`, in each of the protocols: for what holds in both."""
    return partial(connect, protocol=request.param)
