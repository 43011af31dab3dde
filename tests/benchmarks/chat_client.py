"""CPU of this process for one LLM call: `python -m tests.benchmarks.chat_client`.

The server is another process, so its work is not counted. Arms, in turn within each round, and the median of the rounds:
bare aiohttp with orjson (the floor), the client in each protocol, and the chat actor (conversation to wire messages, call,
reply to draft).
The request has the size of a τ² retail turn: 7 kB of policy, 16 tools of 830 bytes, 21 messages; 30 kB in all.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import orjson
from rich.console import Console
from rich.table import Table

from actors.chat_client import ChatClient
from actors.chat_codec import codec_of
from actors.chat_endpoint import Endpoint, Price
from actors.chat_messages import actor_messages, wire_tools
from actors.chat_policy import ChatActor
from actors.chat_wire import ChatRequest
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    JsonValue,
    Message,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
)
from tests.chat.process import running_server

GOAL_MS = 0.5
ROUNDS = 5
MODEL = "tool"
Call = Callable[[], Awaitable[object]]


def _briefing() -> Briefing:
    arguments: dict[str, JsonValue] = {f"p{i}": {"type": "string", "description": "x" * 90} for i in range(4)}
    parameters: dict[str, JsonValue] = {"type": "object", "properties": arguments}
    tools = [ToolSpec(name=f"tool_{i}", description="x" * 200, parameters=parameters, kind="read") for i in range(16)]
    return Briefing(policy="p" * 7_000, tools=tuple(tools), user_instructions="")


def _conversation() -> Conversation:
    messages: list[Message] = [UserMessage(text="u" * 150)]
    for i in range(5):
        call = ToolCall(call_id=f"call_{i}", name="tool_1", arguments={"p0": "v" * 20, "p1": "w" * 20})
        messages += [
            AssistantMessage(text="", tool_calls=(call,)),
            ToolMessage(call_id=f"call_{i}", name="tool_1", content="r" * 1_200),
            AssistantMessage(text="a" * 250),
            UserMessage(text="u" * 150),
        ]
    return tuple(messages)


@asynccontextmanager
async def _arms(endpoint: Endpoint) -> AsyncIterator[Mapping[str, Call]]:
    conversation, briefing = _conversation(), _briefing()
    request = ChatRequest(messages=actor_messages(conversation, briefing), tools=wire_tools(briefing.tools), seed=1)
    codec = codec_of(endpoint)
    bare_body = orjson.loads(codec.encode(request))
    client = ChatClient(endpoint, jitter=random.Random(0))
    other = ChatClient(replace(endpoint, protocol="anthropic"), jitter=random.Random(0))
    actor = ChatActor(client)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=endpoint.max_connections)) as session:

        async def bare() -> object:
            async with session.post(codec.url, data=orjson.dumps(bare_body)) as response:
                return orjson.loads(await response.read())

        yield {
            "bare aiohttp + orjson": bare,
            "ChatClient.complete": lambda: client.complete(request),
            "ChatClient.complete, anthropic": lambda: other.complete(request),
            "ChatActor.act": lambda: actor.act(conversation, briefing, seed=1),
        }
    await client.close()
    await other.close()


async def _cpu_ms(call: Call, *, calls: int, concurrency: int) -> float:
    async def one_after_the_other() -> None:
        for _ in range(calls // concurrency):
            await call()

    began = time.process_time()
    await asyncio.gather(*(one_after_the_other() for _ in range(concurrency)))
    return (time.process_time() - began) * 1000 / (calls // concurrency * concurrency)


async def _measure(base_url: str, *, calls: int, concurrency: int) -> dict[str, list[float]]:
    endpoint = Endpoint(
        base_url=base_url,
        model=MODEL,
        api_key_env="",
        temperature=1.0,
        max_tokens=1024,
        timeout_s=120.0,
        max_retries=0,
        max_connections=concurrency,
        price=Price(prompt_usd=1.0, completion_usd=1.0),
    )
    async with _arms(endpoint) as arms:
        for call in arms.values():
            await _cpu_ms(call, calls=concurrency, concurrency=concurrency)  # opens the connections
        rounds = [
            {name: await _cpu_ms(call, calls=calls, concurrency=concurrency) for name, call in arms.items()}
            for _ in range(ROUNDS)
        ]
    return {name: [round_[name] for round_ in rounds] for name in rounds[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1024, help="for each arm and round")
    parser.add_argument("--concurrency", type=int, nargs="+", default=[64, 256])
    options = parser.parse_args()
    table = Table(title=f"CPU per LLM call, ms (median of {ROUNDS} rounds of {options.calls}; goal {GOAL_MS})")
    for heading in ("calls in flight", "arm", "median", "lowest", "highest", "of the floor"):
        table.add_column(heading, justify="left" if heading == "arm" else "right")
    with running_server(latency_s=0.05) as server:
        for concurrency in options.concurrency:
            measured = asyncio.run(_measure(server.base_url, calls=options.calls, concurrency=concurrency))
            floor = statistics.median(measured["bare aiohttp + orjson"])
            for arm, values in measured.items():
                median = statistics.median(values)
                spread = [f"{value:.3f}" for value in (median, min(values), max(values))]
                table.add_row(str(concurrency), arm, *spread, f"{median / floor:.2f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
