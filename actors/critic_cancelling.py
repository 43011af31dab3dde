"""Questions that are being answered, each under a ticket of its asker, who may take it back.

`ray.cancel` will not do: on calls that have hardly begun it is often lost (Ray 2.60), and the engine then answers a question that
nobody waits for. Calls to an async actor also overtake each other, so a cancellation may be here before its question.

    under way → done            under way → cancelled            cancelled → (arrives) → never begun
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Cancelled(Exception):
    """The asker has taken the question back."""


class Cancelling:
    """Of one event loop. A ticket is used once."""

    def __init__(self, *, remembered: int = 10_000) -> None:
        """`remembered`: cancellations kept for questions that may still arrive; those that came after the answer are among them."""
        self._remembered = remembered
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._early: dict[str, None] = {}
        # in order of arrival

    async def run(self, ticket: str, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives or raises. Raises Cancelled when the ticket is, before or meanwhile; `work` has then ended."""
        if ticket in self._early:
            del self._early[ticket]
            work.close()
            raise Cancelled
        task = asyncio.create_task(work)
        self._under_way[ticket] = task
        try:
            return await task
        except asyncio.CancelledError:
            if ticket in self._under_way:
                raise
                # it was this call itself that was cancelled
            raise Cancelled from None
        finally:
            self._under_way.pop(ticket, None)

    def cancel(self, ticket: str) -> None:
        task = self._under_way.pop(ticket, None)
        if task is not None:
            task.cancel()
            return
        self._early[ticket] = None
        if len(self._early) > self._remembered:
            del self._early[next(iter(self._early))]
