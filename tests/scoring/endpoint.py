"""A critic behind HTTP, in this process: what it says of a draft is a function of the question, and it counts what it is asked.

In its answers a score is the share of the question's digest. A draft that the digest picks is answered in words that nobody can
read ("unclear"), or refused as too long ("too_long").
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from labeling.rubric import SCORE_WORDS
from tests.chat.personalities import Body, completion, error

MAX_REQUEST_BYTES = 16 * 2**20


@dataclass(slots=True)
class Endpoint:
    latency_s: float = 0.0
    unclear: float = 0.0
    # share of questions
    too_long: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    # question → how often
    answered: int = 0
    out: bool = False
    # it refuses everything, for load
    key: str = ""
    # that it wants; empty: none
    on_question: Callable[[int], None] = lambda answered: None
    # is told how many it has answered so far
    base_url: str = ""
    refusal: str = "context_length_exceeded"
    # the code with which it refuses what is too long
    refused: int = 0
    # requests without its key

    def forget(self) -> None:
        """What it was asked so far."""
        self.asked.clear()
        self.answered = 0

    async def reply(self, request: web.Request) -> web.Response:
        if self.out:
            return error(503, "no capacity")
        if self.key and request.headers.get("Authorization") != f"Bearer {self.key}":
            self.refused += 1
            return error(401, "no such key", code="invalid_api_key")
        body: Body = await request.json()
        text = json.dumps(body["messages"])
        self.asked[text] += 1
        await asyncio.sleep(self.latency_s)
        self.answered += 1
        self.on_question(self.answered)
        chance = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
        if chance < self.too_long:
            return error(400, "This cannot be asked", code=self.refusal)
        unclear = chance < self.too_long + self.unclear
        if body.get("logprobs"):
            return web.json_response(_letter({"I": 1.0} if unclear else _likely(chance)))
        return web.json_response(completion("Hm." if unclear else _verdict(chance)))


def _verdict(chance: float) -> str:
    if chance < 0.5:
        return json.dumps({"verdict": "revise", "feedback": f"Not with {chance:.3f}."})
    return json.dumps({"verdict": "approve", "feedback": None})


def _likely(chance: float) -> dict[str, float]:
    approve = min(max(chance, 0.001), 0.999)
    return {SCORE_WORDS[0]: approve, SCORE_WORDS[1]: 1 - approve}


def _letter(likely: dict[str, float]) -> Body:
    listed: list[dict[str, Any]] = [
        {"token": token, "logprob": math.log(p), "bytes": None} for token, p in likely.items()
    ]
    answer: dict[str, Any] = completion(listed[0]["token"])
    answer["choices"][0]["logprobs"] = {"content": [listed[0] | {"top_logprobs": listed}]}
    return answer


@asynccontextmanager
async def serving(endpoint: Endpoint) -> AsyncIterator[Endpoint]:
    app = web.Application(client_max_size=MAX_REQUEST_BYTES)
    app.router.add_post("/v1/chat/completions", endpoint.reply)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        endpoint.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield endpoint
    finally:
        await runner.cleanup()
