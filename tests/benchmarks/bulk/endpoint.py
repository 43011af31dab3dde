"""A critic's endpoint that costs next to nothing: one letter with its log-probabilities. `GET /` tells how many it gave.

python -m tests.benchmarks.bulk.endpoint --latency-s 0.05
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import threading

from tests.benchmarks.llm_server import Connection, Replies, _exit_with_parent

_LIKELY = {"A": 0.75, "R": 0.25}
_LISTED = [{"token": token, "logprob": math.log(p), "bytes": None} for token, p in _LIKELY.items()]
_BODY = json.dumps(
    {
        "id": "chatcmpl-0",
        "object": "chat.completion",
        "model": "fixed",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A"},
                "finish_reason": "length",
                "logprobs": {"content": [_LISTED[0] | {"top_logprobs": _LISTED}]},
            }
        ],
        "usage": {"prompt_tokens": 7_000, "completion_tokens": 1, "total_tokens": 7_001},
    }
).encode()
_REPLY = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(_BODY) + _BODY


class Letters(Replies):
    def reply(self, body: bytes) -> bytes:
        self.given += 1
        return _REPLY


async def serve(latency_s: float) -> None:
    letters = Letters("")
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(letters, latency_s), "127.0.0.1", 0, backlog=8192)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--latency-s", type=float, required=True)
    chosen = parser.parse_args()
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    asyncio.run(serve(chosen.latency_s))


if __name__ == "__main__":
    main()
