"""Places for live episodes: how many, in which order, and one beginning in each turn of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.slots import Slots


class _Episodes:
    def __init__(self, number: int) -> None:
        self.slots = Slots(number)
        self.turn = 0
        self.began: list[tuple[int, int]] = []
        # (episode, turn of the loop)
        self.inside = self.most_inside = 0

    async def play(self, name: int, *, turns: int = 1) -> None:
        async with self.slots:
            self.began.append((name, self.turn))
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                self.inside -= 1

    async def count_turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)

    async def play_all(self, plays: Sequence[asyncio.Task[None]]) -> None:
        counting = asyncio.create_task(self.count_turns())
        await asyncio.wait(plays)
        counting.cancel()


async def test_episodes_that_could_all_begin_begin_one_in_each_turn_in_their_order() -> None:
    episodes = _Episodes(8)
    await episodes.play_all([asyncio.create_task(episodes.play(name, turns=20)) for name in range(8)])
    assert [name for name, _ in episodes.began] == list(range(8))
    turns = [turn for _, turn in episodes.began]
    assert len(set(turns)) == 8
    assert turns[-1] - turns[0] < 3 * 8
    assert episodes.most_inside == 8


@given(
    number=st.integers(1, 4), plan=st.lists(st.sampled_from(["plays", "is cancelled at once", "is cancelled later"]))
)
def test_no_place_is_lost_and_none_is_given_twice(number: int, plan: list[str]) -> None:
    async def session() -> None:
        episodes = _Episodes(number)
        plays = [asyncio.create_task(episodes.play(name, turns=3)) for name in range(len(plan))]
        for turn in range(3):
            await asyncio.sleep(0)
            for play, fate in zip(plays, plan, strict=True):
                if fate == ("is cancelled at once", "", "is cancelled later")[turn]:
                    play.cancel()
        await asyncio.gather(*plays, return_exceptions=True)
        await episodes.play_all([asyncio.create_task(episodes.play(-1, turns=3 * number + 9)) for _ in range(number)])
        assert episodes.most_inside <= number
        assert episodes.inside == 0
        assert [name for name, _ in episodes.began].count(-1) == number

    asyncio.run(asyncio.wait_for(session(), 10))


async def test_an_error_inside_gives_the_place_back() -> None:
    slots = Slots(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="of the episode"):
            async with slots:
                raise ValueError("of the episode")
