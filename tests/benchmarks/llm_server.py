"""A quick endpoint for benchmarks: `python -m tests.benchmarks.llm_server --latency-s 0.2 --product-id 123`.

Speaks just enough of the chat-completions protocol, after a fixed latency, and costs as little CPU as it can. Which reply it
gives follows from how often the asking side has spoken, so every episode has the same fifteen calls: the actor's model "actor"
calls reading tools eight times and speaks three times, the user's model "user" opens, answers twice, and stops. `GET /` tells how
many it answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from typing import cast

import uvloop

CALLS_PER_EPISODE = 15
SPEAKS = (3, 7, 10)
# the actor's turns that are messages; at all others it calls a tool
LAST_USER_TURN = 3
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_PROMPT_TOKENS, _COMPLETION_TOKENS = 7_000, 60


def _completion(message: dict[str, object], finish_reason: str) -> bytes:
    body = json.dumps(
        {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "model": "fixed",
            "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}],
            "usage": {
                "prompt_tokens": _PROMPT_TOKENS,
                "completion_tokens": _COMPLETION_TOKENS,
                "total_tokens": _PROMPT_TOKENS + _COMPLETION_TOKENS,
            },
        }
    ).encode()
    return _HEAD % len(body) + body


def _call(name: str, arguments: dict[str, str]) -> bytes:
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": "call_0", "type": "function", "function": function}
    return _completion({"content": None, "tool_calls": [call]}, "tool_calls")


def _say(text: str) -> bytes:
    return _completion({"content": text}, "stop")


class Replies:
    def __init__(self, product_id: str) -> None:
        self._calls = (_call("list_all_product_types", {}), _call("get_product_details", {"product_id": product_id}))
        self._speech = _say("I have looked that up for you. It is available. Would you like me to go on with it? " * 3)
        self._answer = _say("Yes please, that would be nice. Could you also look at the other one for me? " * 2)
        self._goodbye = _say("Thank you, that is all. ###STOP###")
        self.given = 0

    def reply(self, body: bytes) -> bytes:
        self.given += 1
        turn = body.count(b'"role":"assistant"')
        if b'"model":"actor"' in body:
            return self._speech if turn in SPEAKS else self._calls[turn % 2]
        return self._goodbye if turn >= LAST_USER_TURN else self._answer


class Connection(asyncio.Protocol):
    def __init__(self, replies: Replies, latency_s: float) -> None:
        self._replies = replies
        self._latency_s = latency_s
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._buffer[:end]).lower()
            place = head.find(b"content-length:")
            length = int(head[place + 15 :].split(b"\r\n", 1)[0]) if place >= 0 else 0
            if len(self._buffer) < end + 4 + length:
                return
            body = bytes(self._buffer[end + 4 : end + 4 + length])
            del self._buffer[: end + 4 + length]
            self._serve(head, body)

    def _serve(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        if head.startswith(b"get"):
            text = b"%d" % self._replies.given
            self._transport.write(_HEAD % len(text) + text)
            return
        asyncio.get_running_loop().call_later(self._latency_s, self._write, self._replies.reply(body))

    def _write(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)


async def serve(*, latency_s: float, product_id: str) -> None:
    replies = Replies(product_id)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(replies, latency_s), "127.0.0.1", 0, backlog=8192)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


def _exit_with_parent() -> None:
    sys.stdin.read()
    os._exit(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency-s", type=float, required=True)
    parser.add_argument("--product-id", required=True)
    chosen = parser.parse_args()
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    uvloop.run(serve(latency_s=chosen.latency_s, product_id=chosen.product_id))


if __name__ == "__main__":
    main()
