"""Every LLM call of a tree passes here: remembered answers are given again, new ones are paid for, counted and journaled.

A call's place is where it stands in its tree, "t0.s4.a1.r2/7/actor/0": path, step, role, attempt. Its seed derives from the same
place, so a tree that is grown again asks the same questions at the same places and gets the answers that were paid for.

    REMEMBERED → given again, nothing is spent
    NEW        → asked → counted → journaled → given          NEW while the worker is stopping → Stopped
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Literal, TypeAlias, TypeVar

from rollouts.budget import Allowance
from rollouts.episode import PaidReply, Usage
from rollouts.errors import RolloutError
from rollouts.meter import SpendCounter
from rollouts.protocols import Answer

R = TypeVar("R", bound=Answer)

Part: TypeAlias = Literal["actor", "draw", "critic", "user", "opening", "judge"]
# what a call is for: "draw" is the actor asked for an alternative at a fork, "opening" the user's first turn

PAYERS: Mapping[str, str] = {"draw": "actor", "opening": "user"}
# the role that a part is counted for, where it has another name


def call_place(path: str, step: int, part: str, attempt: int) -> str:
    """The name of a call's place; unique in its tree."""
    return f"{path}/{step}/{part}/{attempt}"


class Ledger:
    """One tree's calls."""

    def __init__(
        self,
        remembered: Mapping[str, Answer] | None = None,
        *,
        append: Callable[[str, Answer], None] = lambda place, answer: None,
        allowance: Allowance | None = None,
    ) -> None:
        """`append` journals an answer under its place; every call that has to be paid for is taken from `allowance`."""
        self._remembered = remembered or {}
        self._append = append
        self._allowance = allowance or Allowance()
        self.replies: dict[str, tuple[PaidReply, ...]] = {}
        # place → what models answered there, unusable replies included

    async def answer(self, place: str, ask: Callable[[], Awaitable[R]], *, spending: SpendCounter, role: str) -> R:
        """The answer at `place`. Every error of `ask` passes, its usage counted.

        Raises Stopped (rollouts.budget) instead of asking when the worker is stopping.
        """
        known = self._remembered.get(place)
        if known is not None:
            spending.add(role, known.usage, again=True)
            self.replies[place] = known.usage.replies
            return known  # type: ignore[return-value]  # a place has one part, and a part one kind of answer
        await self._allowance.start()
        try:
            answer = await ask()
        except RolloutError as error:
            self._count(place, error.usage or Usage(calls=0), spending, role)
            raise
        finally:
            self._allowance.finished()
        self._count(place, answer.usage, spending, role)
        if answer.usage.replies:
            self._append(place, answer)
        return answer

    def _count(self, place: str, usage: Usage, spending: SpendCounter, role: str) -> None:
        spending.add(role, usage)
        if usage.replies:
            self.replies[place] = usage.replies


class Turn:
    """The calls that one step of one play makes: a part and an attempt complete their places and seeds."""

    __slots__ = ("_ledger", "_path", "_seed_for", "_spending", "_step")

    def __init__(
        self, ledger: Ledger, *, path: str, step: int, seed_for: Callable[[Part, int], int], spending: SpendCounter
    ) -> None:
        self._ledger = ledger
        self._path = path
        self._step = step
        self._seed_for = seed_for
        self._spending = spending

    async def ask(self, part: Part, attempt: int, call: Callable[[int], Awaitable[R]]) -> R:
        """The answer to `call(seed)`, remembered or new; see `Ledger.answer`."""
        return await self._ledger.answer(
            call_place(self._path, self._step, part, attempt),
            lambda: call(self._seed_for(part, attempt)),
            spending=self._spending,
            role=PAYERS.get(part, part),
        )
