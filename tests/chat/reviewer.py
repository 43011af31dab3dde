"""An HTTP server, in this process, that reviews drafts by what is written in them. The model's name says how well it does so.

A draft with the word "wrong" is to be revised, one with "unclear" gets an answer that nobody can read, any other is approved; asked
for one token, it gives the letters with log-probabilities. As "react" it is an actor that acts in text.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from labeling.rubric import SCORE_WORDS
from tests.chat.personalities import completion

LIKELY = 0.9
# how sure it is
REACTED = 'Thought: The customer wants to know.\nAction: {"say":"It was shipped."}'


@asynccontextmanager
async def reviewer() -> AsyncIterator[str]:
    """The base URL, while the block lasts."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", _complete)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def _complete(request: web.Request) -> web.StreamResponse:
    body = await request.json()
    if body["model"] == "react":
        return web.json_response(completion(REACTED))
    draft = body["messages"][1]["content"].partition("<draft>\n")[2]
    await asyncio.sleep(0.02 if "slow" in draft else 0)
    answer = _letter(draft) if body.get("logprobs") and body["model"] != "mute" else completion(_verdict(draft))
    return web.json_response(answer)


def _verdict(draft: str) -> str:
    if "unclear" in draft:
        return "I would rather not say."
    if "wrong" in draft:
        return json.dumps({"verdict": "revise", "feedback": f"This is wrong: {draft.splitlines()[0]}"})
    return json.dumps({"verdict": "approve", "feedback": None})


def _letter(draft: str) -> dict[str, Any]:
    approve = 1 - LIKELY if "wrong" in draft else LIKELY
    letters = {SCORE_WORDS[0]: approve, SCORE_WORDS[1]: 1 - approve}
    likely = {"I": 0.99, SCORE_WORDS[0]: 0.01} if "unclear" in draft else letters
    return completion("I" if "unclear" in draft else SCORE_WORDS[0]) | {"choices": [_choice(likely)]}


def _choice(likely: Mapping[str, float]) -> dict[str, Any]:
    listed = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in likely.items()]
    return {
        "index": 0,
        "message": {"role": "assistant", "content": listed[0]["token"]},
        "finish_reason": "length",
        "logprobs": {"content": [listed[0] | {"top_logprobs": listed}]},
    }
