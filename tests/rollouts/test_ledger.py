"""Every call of a tree is paid for once, whatever happens between its plays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.branching import fork_policy
from rollouts.budget import Allowance
from rollouts.episode import Briefing, Conversation, Draft, PaidReply, Usage
from rollouts.errors import FailureKind, RolloutError
from rollouts.explore import explore
from rollouts.ledger import Ledger, call_place
from rollouts.meter import Meter, SpendCounter
from rollouts.protocols import Answer
from rollouts.slots import Slots
from rollouts.tree import Tree
from tests.toy import BRANCHING, ToyActor, toy_item, toy_player

REPLY = PaidReply(model="toy", prompt_tokens=10, completion_tokens=2, cost_usd=0.01)
PAID = Usage(prompt_tokens=10, completion_tokens=2, cost_usd=0.01, replies=(REPLY,))


class PaidActor:
    """A toy actor whose answers cost something."""

    def __init__(self) -> None:
        self._actor = ToyActor(skill=0.6)
        self.asked = 0

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        self.asked += 1
        draft = await self._actor.act(conversation, briefing, seed=seed, feedback=feedback)
        return replace(draft, usage=PAID)


class StopAfter(Allowance):
    def __init__(self, calls: int) -> None:
        super().__init__()
        self._more = calls

    async def start(self) -> None:
        if not self._more:
            self.stop()
        self._more -= 1
        await super().start()


async def _grow(journal: dict[str, Answer], *, allowance: Allowance | None = None) -> tuple[Tree, int, Meter]:
    """The tree, how often the actor was asked, and what a worker would report."""
    actor, meter = PaidActor(), Meter()
    player = toy_player(ToyActor())
    player.cast = replace(player.cast, actor=actor)
    player._meter = meter
    player.ledger = Ledger(dict(journal), append=journal.__setitem__, allowance=allowance)
    policy = fork_policy("every_step", BRANCHING)
    tree = await explore(toy_item(), player, policy=policy, meter=meter, slots=Slots(4))
    return tree, actor.asked, meter


def _timeless(tree: Tree) -> Tree:
    return replace(tree, episodes={path: replace(e, duration_s=0.0) for path, e in tree.episodes.items()})


@settings(max_examples=25, deadline=None)
@given(stops=st.lists(st.integers(1, 40), max_size=5))
def test_a_tree_stopped_any_number_of_times_is_the_undisturbed_tree_and_no_call_is_paid_twice(stops: list[int]) -> None:
    async def scenario() -> None:
        whole, calls, _ = await _grow({})
        journal: dict[str, Answer] = {}
        paid = 0
        for stop in stops:
            _, asked, _ = await _grow(journal, allowance=StopAfter(stop))
            paid += asked
        tree, asked, _ = await _grow(journal)
        assert paid + asked == calls == len(journal)
        assert _timeless(tree) == _timeless(whole)

    asyncio.run(scenario())


async def test_what_is_remembered_counts_for_its_episode_and_not_for_the_worker() -> None:
    journal: dict[str, Answer] = {}
    tree, calls, meter = await _grow(journal)
    assert meter.progress().spend.actor_calls == calls
    again, asked, meter = await _grow(journal)
    assert asked == 0
    assert meter.progress().spend.actor_calls == 0
    assert again.spend == tree.spend
    assert again.replies == tree.replies
    assert len(tree.replies) == calls


async def test_a_failed_call_is_counted_by_what_was_paid_and_asked_again_next_time() -> None:
    journal: dict[str, Answer] = {}
    ledger, spending = Ledger(append=journal.__setitem__), SpendCounter()

    async def fails() -> Draft:
        raise RolloutError("three unusable replies", kind=FailureKind.REJECTED, usage=PAID + PAID + PAID)

    with pytest.raises(RolloutError):
        await ledger.answer(call_place("t0", 1, "actor", 0), fails, spending=spending, role="actor")
    assert spending.spend().actor_calls == 3
    assert ledger.replies == {"t0/1/actor/0": (REPLY, REPLY, REPLY)}
    assert journal == {}


async def test_an_answer_that_cost_nothing_is_not_journaled() -> None:
    journal: dict[str, Answer] = {}
    ledger, spending = Ledger(append=journal.__setitem__), SpendCounter()

    async def free() -> Draft:
        return Draft(text="hello")

    await ledger.answer("t0/0/user/0", free, spending=spending, role="user")
    assert journal == {}
    assert spending.spend().user_calls == 1
