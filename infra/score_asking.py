"""Asking a critic about one batch of drafts: so many at once, each until there is an answer or a lasting reason for none.

- A question that would fail again (too long, refused) is recorded as failed and not asked again.
- A failure that may pass is asked again, unless nobody got an answer while that question was tried, the client's own retries
  included: then the endpoint or the engine is out, and the batch ends with `OutOfReach`.
- One that fails ASKS times while others are answered is recorded as failed: it is the question that breaks what it is asked of.
- A failure that every question would share (a wrong key) ends the batch at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rollouts.episode import Failure, Usage
from rollouts.errors import DataError, FailureKind, RolloutError
from rollouts.protocols import Critic, Judgement, Question

ASKS = 2
LASTING = frozenset({FailureKind.CONTEXT_LENGTH, FailureKind.CONTENT_FILTER, FailureKind.REJECTED})
_UNPAID = Usage(calls=0)


class OutOfReach(Exception):
    """Nobody is there to answer; nothing is wrong with the questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    said: Judgement | Failure
    usage: Usage
    # of all that was asked about the draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One question to be, made when its turn comes."""

    critic: Critic
    question: Callable[[], Question]


async def ask_all(asking: Sequence[Asking], *, max_out: int) -> list[Answered]:
    """One answer each, in order. `max_out`: questions at once; no more are held in memory.

    Raises OutOfReach; DataError for a failure that all share.
    """
    batch = _Batch(asking)
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(max_out, len(asking))):
                group.create_task(batch.work())
    except* OutOfReach as out:
        raise OutOfReach(str(out.exceptions[0])) from None
    except* DataError as wrong:
        raise DataError(str(wrong.exceptions[0])) from None
    return batch.checked()


class _Batch:
    def __init__(self, asking: Sequence[Asking]) -> None:
        self._waiting: Iterator[tuple[int, Asking]] = iter(enumerate(asking))
        self._found: dict[int, Answered] = {}
        self._replies = 0

    async def work(self) -> None:
        for index, asking in self._waiting:
            self._found[index] = await self._answer(asking.critic, asking.question())

    async def _answer(self, critic: Critic, question: Question) -> Answered:
        spent = _UNPAID
        failure = Failure(kind=FailureKind.BUG, message="never asked")
        for _ in range(ASKS):
            before = self._replies
            try:
                [judgement] = await critic.judge([question])
            except RolloutError as error:
                spent += error.usage or _UNPAID
                failure = Failure(kind=error.kind, message=str(error))
                self._check(error, nobody_answered=self._replies == before)
                if error.kind in LASTING:
                    break
            else:
                self._replies += 1
                return Answered(said=judgement, usage=spent + judgement.usage)
        return Answered(said=failure, usage=spent)

    def _check(self, error: RolloutError, *, nobody_answered: bool) -> None:
        if error.kind in LASTING:
            if error.fatal:
                raise DataError(str(error))
            self._replies += 1
        elif error.fatal or nobody_answered:
            raise OutOfReach(str(error))

    def checked(self) -> list[Answered]:
        """DataError when every question was rejected: what is wrong is not in the questions."""
        answered = [self._found[index] for index in range(len(self._found))]
        rejected = [one.said for one in answered if isinstance(one.said, Failure)]
        if rejected and len(rejected) == len(answered) and {one.kind for one in rejected} == {FailureKind.REJECTED}:
            raise DataError(
                f"all {len(rejected)} questions of a batch were rejected, nothing of it was kept: {rejected[0].message}"
            )
        return answered
