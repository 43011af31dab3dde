"""An HTTP server that speaks both chat protocols, well or badly: `python -m tests.chat.server --port 0`.

Prints the port it listens on as its first line. The model's name chooses the personality (tests.chat.personalities,
tests.chat.structured). Chat completions are at "/v1" and at any Azure-style deployment, the Messages protocol at "/v1/messages".
`GET /requests?model=NAME` tells how often that full name was asked and how many of its requests were open at once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import threading
from collections import Counter
from collections.abc import Mapping

from aiohttp import web

from tests.chat import anthropic_side
from tests.chat.personalities import PERSONALITIES, Body, Handler
from tests.chat.structured import STRUCTURED

KNOWN: Mapping[str, Handler] = {**PERSONALITIES, **STRUCTURED}
MAX_REQUEST_BYTES = 64 * 1024 * 1024


class ChatServer:
    def __init__(self, *, latency_s: float) -> None:
        self._latency_s = latency_s
        self._asked: Counter[str] = Counter()
        self._open: Counter[str] = Counter()
        self._most_open: Counter[str] = Counter()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=MAX_REQUEST_BYTES)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/openai/deployments/{name}/chat/completions", self._complete)
        app.router.add_post("/v1/messages", self._message)
        app.router.add_get("/requests", self._requests)
        return app

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, await request.json())

    async def _message(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        try:
            body = anthropic_side.common_request(asked, request.headers)
        except anthropic_side.Refused as refused:
            refusal = anthropic_side.error(str(refused), None)
            return web.Response(status=400, body=refusal, content_type="application/json")
        response = await self._answer(request, body)
        if isinstance(response, web.Response) and response.content_type == "application/json":
            assert isinstance(response.body, bytes)
            response.body = anthropic_side.answer(response.body, asked)
        return response

    async def _answer(self, request: web.Request, body: Body) -> web.StreamResponse:
        model = body["model"]
        handler = KNOWN.get(model.partition(":")[0], KNOWN["unknown-model"])
        self._asked[model] += 1
        self._open[model] += 1
        self._most_open[model] = max(self._most_open[model], self._open[model])
        try:
            if self._latency_s:
                await asyncio.sleep(self._latency_s)
            return await handler(request, body, self._asked[model])
        finally:
            self._open[model] -= 1

    async def _requests(self, request: web.Request) -> web.Response:
        model = request.query["model"]
        counts = {"asked": self._asked[model], "open": self._open[model], "most_open": self._most_open[model]}
        return web.json_response(counts)


async def serve(*, port: int, latency_s: float) -> None:
    runner = web.AppRunner(ChatServer(latency_s=latency_s).application(), handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=4096).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def _exit_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--latency-s", type=float, default=0.0, help="before every answer")
    parser.add_argument("--until-stdin-closes", action="store_true", help="so that it never outlives who started it")
    options = parser.parse_args()
    if options.until_stdin_closes:
        threading.Thread(target=_exit_with_parent, daemon=True).start()
    asyncio.run(serve(port=options.port, latency_s=options.latency_s))


if __name__ == "__main__":
    main()
