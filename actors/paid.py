"""What was paid for is never lost: an error carries the usage of the calls that were answered before it and beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

from rollouts.episode import Usage
from rollouts.errors import RolloutError

UNPAID = Usage(calls=0)


class Paid(Protocol):
    """An answer that says what it used."""

    @property
    def usage(self) -> Usage: ...


P = TypeVar("P", bound=Paid)


@contextmanager
def paid_before(usage: Usage) -> Iterator[None]:
    """A RolloutError that passes carries `usage` too."""
    try:
        yield
    except RolloutError as error:
        error.usage = usage + (error.usage or UNPAID)
        raise


async def all_paid(calls: Iterable[Awaitable[P]]) -> list[P]:
    """The answers to calls made side by side, in order; when one fails, its error comes after all have ended.

    Of several RolloutErrors a fatal one is raised, or the first; of anything else the first, before all RolloutErrors.
    """
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    answered = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    if not failed:
        return answered
    raised = min(failed, key=_order)
    others = [
        error.usage for error in failed if isinstance(error, RolloutError) and error is not raised and error.usage
    ]
    with paid_before(sum((*(answer.usage for answer in answered), *others), start=UNPAID)):
        raise raised


def _order(error: BaseException) -> int:
    return (2 - error.fatal) if isinstance(error, RolloutError) else 0
