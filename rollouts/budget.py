"""Bounds on a run's spend, and how they reach the workers.

The driver looks at what is spent twice a second and tells the pool how many more calls can be afforded; a worker that has used
up its share waits for the next word. So a limit on calls is kept exactly by one worker, and to within the calls of a few
milliseconds by several; limits on tokens and money are kept to within what one call may differ from the mean.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rollouts.episode import Spend
from rollouts.receipt import Progress


class Stopped(Exception):
    """The worker is stopping, and the next call would have to be paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Upper bounds on a run's spend; 0 means none."""

    calls: int = 0
    tokens: int = 0
    cost_usd: float = 0.0

    def reached(self, spend: Spend) -> str | None:
        """The limit that the spend has reached, in the words of the configuration: nothing more can be afforded."""
        if self.calls and spend.calls >= self.calls:
            return f"limits.calls = {self.calls}"
        if self.tokens and self.tokens - spend.tokens < _mean(spend.tokens, spend.calls):
            return f"limits.tokens = {self.tokens}"
        if self.cost_usd and spend.cost_usd is not None:
            left = self.cost_usd - spend.cost_usd
            if left <= 0 or left < _mean(spend.cost_usd, spend.calls):
                return f"limits.cost_usd = {self.cost_usd:g}"
        return None

    def affordable(self, progress: Progress) -> int | None:
        """How many more calls may be started, at the mean price so far; None: any number."""
        spend = progress.spend
        bounds: list[float] = []
        if self.calls:
            bounds.append(self.calls - spend.calls)
        if self.tokens and spend.tokens:
            bounds.append((self.tokens - spend.tokens) / _mean(spend.tokens, spend.calls))
        if self.cost_usd and spend.cost_usd:
            bounds.append((self.cost_usd - spend.cost_usd) / _mean(spend.cost_usd, spend.calls))
        return max(0, int(min(bounds)) - progress.asking) if bounds else None


def _mean(total: float, calls: int) -> float:
    return total / max(1, calls)


class Allowance:
    """One worker's share: how many calls it may still start. Unlimited until it is told a number.

    OPEN ⇄ WAITING (the share is used up) → STOPPED, for good: every later call raises Stopped.
    """

    def __init__(self) -> None:
        self._left: int | None = None
        self._stopped = False
        self._told = asyncio.Event()
        self.asking = 0
        # calls under way

    def allow(self, calls: int | None) -> None:
        """From now on so many more calls may be started; None: any number."""
        self._left = calls
        self._told.set()

    def stop(self) -> None:
        self._stopped = True
        self._told.set()

    async def start(self) -> None:
        """Take one call; `finished` must follow. Waits while the share is used up; raises Stopped once the worker is stopping."""
        while self._left is not None and self._left < 1 and not self._stopped:
            self._told.clear()
            await self._told.wait()
        if self._stopped:
            raise Stopped
        if self._left is not None:
            self._left -= 1
        self.asking += 1

    def finished(self) -> None:
        self.asking -= 1
