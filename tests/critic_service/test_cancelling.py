"""Taking questions back: before they arrive, while they are answered, after."""

from __future__ import annotations

import asyncio

import pytest

from actors.critic_cancelling import Cancelled, Cancelling


class _Work:
    def __init__(self) -> None:
        self.begun = 0
        self.let = asyncio.Event()

    async def answer(self) -> str:
        self.begun += 1
        await self.let.wait()
        return "answer"


async def test_what_is_cancelled_meanwhile_ends_at_once_and_the_others_go_on() -> None:
    work, cancelling = _Work(), Cancelling()
    one, other = (asyncio.create_task(cancelling.run(ticket, work.answer())) for ticket in ("a", "b"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert work.begun == 2
    cancelling.cancel("a")
    with pytest.raises(Cancelled):
        await one
    work.let.set()
    assert await other == "answer"


async def test_what_is_cancelled_before_it_arrives_never_begins() -> None:
    work, cancelling = _Work(), Cancelling()
    cancelling.cancel("a")
    with pytest.raises(Cancelled):
        await cancelling.run("a", work.answer())
    assert work.begun == 0


async def test_only_the_latest_early_cancellations_are_remembered() -> None:
    work, cancelling = _Work(), Cancelling(remembered=2)
    work.let.set()
    for ticket in "abc":
        cancelling.cancel(ticket)
    assert await cancelling.run("a", work.answer()) == "answer"
    for ticket in "bc":
        with pytest.raises(Cancelled):
            await cancelling.run(ticket, work.answer())


async def test_cancelling_the_call_itself_cancels_its_work_and_stays_a_cancellation() -> None:
    work, cancelling = _Work(), Cancelling()
    call = asyncio.create_task(cancelling.run("a", work.answer()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert len(asyncio.all_tasks()) == 1


async def test_an_error_of_the_work_is_raised_as_it_is() -> None:
    async def fails() -> None:
        raise ValueError("of the work")

    with pytest.raises(ValueError, match="of the work"):
        await Cancelling().run("a", fails())
