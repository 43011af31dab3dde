"""Counts of a worker's doings as they happen; the only mutable numbers of the core. `Progress` is a snapshot of one."""

from __future__ import annotations

from rollouts.episode import Failure, Finished, Outcome, Spend, Usage
from rollouts.receipt import Progress

SOLVED = 1.0 - 1e-9
# a return at or above counts as a success; 1.0 up to rounding of products


class SpendCounter:
    """Sums LLM calls; forwards those that were paid for now to an optional total."""

    def __init__(self, total: SpendCounter | None = None) -> None:
        self._total = total
        self._calls = {"actor": 0, "user": 0, "critic": 0, "judge": 0}
        self._prompt = self._completion = self._cached = 0
        self._cost: float | None = 0.0

    def add(self, role: str, usage: Usage, *, again: bool = False) -> None:
        """`again`: paid for earlier, and remembered."""
        self._calls[role] += usage.calls
        self._prompt += usage.prompt_tokens
        self._completion += usage.completion_tokens
        self._cached += usage.cached_tokens
        self._cost = None if self._cost is None or usage.cost_usd is None else self._cost + usage.cost_usd
        if self._total is not None and not again:
            self._total.add(role, usage)

    def spend(self) -> Spend:
        return Spend(
            actor_calls=self._calls["actor"],
            user_calls=self._calls["user"],
            critic_calls=self._calls["critic"],
            judge_calls=self._calls["judge"],
            prompt_tokens=self._prompt,
            completion_tokens=self._completion,
            cached_tokens=self._cached,
            cost_usd=self._cost,
        )


class Meter:
    """One worker's, or one tree's, running totals. A tree's meter forwards everything to its worker's."""

    def __init__(self, total: Meter | None = None) -> None:
        self._total = total
        self.spending: SpendCounter = SpendCounter(total.spending if total else None)
        self._counts = dict.fromkeys(("planned", "settled", "failed", "successes", "in_flight", "forks", "steps"), 0)

    def planned(self, episodes: int) -> None:
        self._add("planned", episodes)

    def forked(self) -> None:
        self._add("forks", 1)

    def started(self) -> None:
        self._add("in_flight", 1)

    def left(self) -> None:
        """An episode is no longer live, however it ended."""
        self._add("in_flight", -1)

    def ended(self, outcome: Outcome, *, steps: int) -> None:
        """An episode's outcome is recorded."""
        self._add("steps", steps)
        match outcome:
            case Failure():
                self._add("failed", 1)
            case Finished(reward=reward):
                self._add("settled", 1)
                self._add("successes", int(reward is not None and reward.value >= SOLVED))

    def progress(self) -> Progress:
        counts = self._counts
        return Progress(
            episodes_planned=counts["planned"],
            episodes_settled=counts["settled"],
            episodes_failed=counts["failed"],
            successes=counts["successes"],
            in_flight=counts["in_flight"],
            forks=counts["forks"],
            steps=counts["steps"],
            spend=self.spending.spend(),
        )

    def _add(self, count: str, amount: int) -> None:
        self._counts[count] += amount
        if self._total is not None:
            self._total._add(count, amount)
