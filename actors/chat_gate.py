"""The seam between the chat client and rate control: who may send a request now."""

from __future__ import annotations

from typing import Protocol


class Gate(Protocol):
    """One endpoint's capacity as one worker sees it. Every `enter` that returned is followed by exactly one `leave`."""

    async def enter(self, *, tokens: int) -> None:
        """Wait until a request of about `tokens` (prompt and reply) may be sent. Cancelling the wait takes nothing."""

    def leave(self, *, overloaded: bool, tokens: int, retry_after_s: float | None) -> None:
        """The request has ended. `overloaded`: the endpoint refused it for load (429, 503, 529); `tokens`: what it really used.

        `retry_after_s`: how long the endpoint asked everybody to wait, if it did.
        """


class NoGate:
    """The null gate: always open."""

    async def enter(self, *, tokens: int) -> None:
        pass

    def leave(self, *, overloaded: bool, tokens: int, retry_after_s: float | None) -> None:
        pass
