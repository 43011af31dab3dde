"""A request of aiohttp that is sent when it is made, not when the event loop comes round again.

From Python 3.12 on aiohttp does that itself. Before, it puts the writing into a task of its own. When many replies arrive at once,
the loop then first does the work of all of them and sends all their next requests after that: bursts never spread, and each call
waits for the work of its whole burst (tests.benchmarks.orchestration, one wave of 256).
"""

from __future__ import annotations

import sys
import types
from collections.abc import Coroutine, Generator
from typing import Any

import aiohttp


class EagerRequest(aiohttp.ClientRequest):
    """Writes as far as the connection takes it; a task does the rest."""

    def write_bytes(self, *args: Any, **named: Any) -> Coroutine[Any, Any, None]:
        # aiohttp makes a task of what this returns
        writing = super().write_bytes(*args, **named)
        try:
            awaited = writing.send(None)
        except StopIteration:
            return _written()
        return _write_on(writing, awaited)


REQUEST_CLASS = aiohttp.ClientRequest if sys.version_info >= (3, 12) else EagerRequest


async def _written() -> None:
    return None


async def _write_on(writing: Coroutine[Any, Any, None], awaited: Any) -> None:
    await _from(writing, awaited)


@types.coroutine
def _from(begun: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """The rest of a coroutine that was begun by hand and gave `awaited`."""
    try:
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - a cancellation, too, is the coroutine's own affair
                awaited = begun.throw(error)
            else:
                awaited = begun.send(sent)
    except StopIteration:
        return
