"""Whatever goes wrong, what was paid for is told."""

from __future__ import annotations

import asyncio

import pytest

from actors.paid import all_paid, paid_before
from rollouts.episode import Draft, Usage
from rollouts.errors import FailureKind, RolloutError
from tests.chat.script import ONE, times


def _error(message: str, *, fatal: bool = False, usage: Usage | None = None) -> RolloutError:
    return RolloutError(message, kind=FailureKind.INFRASTRUCTURE, fatal=fatal, usage=usage)


async def _draft(index: int) -> Draft:
    await asyncio.sleep(0.001 * (3 - index))
    return Draft(text=str(index), usage=ONE)


async def _fails(error: Exception) -> Draft:
    raise error


@pytest.mark.parametrize(("own", "told"), [(None, times(1)), (ONE, times(2))])
def test_an_error_tells_what_was_used_before_it(own: Usage | None, told: Usage) -> None:
    with pytest.raises(RolloutError) as caught, paid_before(ONE):
        raise _error("broken", usage=own)
    assert caught.value.usage == told


async def test_answers_come_in_the_order_of_the_calls() -> None:
    assert [draft.text for draft in await all_paid(_draft(index) for index in range(4))] == ["0", "1", "2", "3"]
    assert await all_paid([]) == []


async def test_a_failure_waits_for_the_others_and_tells_what_they_used() -> None:
    with pytest.raises(RolloutError, match="first") as caught:
        await all_paid([_draft(0), _fails(_error("first")), _fails(_error("second", usage=ONE)), _draft(1)])
    assert caught.value.usage == times(3)


async def test_a_fatal_failure_is_told_before_others_and_a_bug_before_all() -> None:
    with pytest.raises(RolloutError, match="fatal"):
        await all_paid([_fails(_error("plain")), _fails(_error("fatal", fatal=True))])
    with pytest.raises(KeyError, match="bug"):
        await all_paid([_fails(_error("fatal", fatal=True)), _fails(KeyError("bug"))])


async def test_a_cancelled_wait_cancels_the_calls() -> None:
    ended: list[str] = []

    async def forever() -> Draft:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        raise AssertionError("nobody sets that event")

    waiting = asyncio.create_task(all_paid([forever(), forever()]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == ["cancelled"] * 2
