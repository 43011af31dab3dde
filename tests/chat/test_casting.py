"""Who shares a client, and that roles mix."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from actors.best_of_n import BestOfN
from actors.chat_casting import ChatCasting, ChatClients, RoleCasting, best_of_n
from actors.chat_critic import ChatCritic
from actors.chat_endpoint import Endpoint
from actors.chat_gate import NoGate
from actors.chat_react import ReActActor
from rollouts.episode import Briefing, Conversation, Draft, Task
from rollouts.errors import UsageError
from rollouts.protocols import Casting, NoCritic, NoJudge, Policy
from tests.chat.personalities import OPENING
from tests.chat.process import RunningServer
from tests.chat.samples import BRIEFING, endpoint

TASK = Task(task_id="0", domain="retail", split="train", data={})


class Parrot:
    """A stand-in made for its task."""

    def __init__(self, task: Task) -> None:
        self._task = task

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        return Draft(text=f"task {self._task.task_id}")


def _parrot(task: Task) -> Policy:
    return Parrot(task)


def _endpoint(server: RunningServer, model: str) -> Endpoint:
    return endpoint(server.base_url, model)


async def _says(policy: Policy) -> str:
    return (await policy.act((), BRIEFING, seed=0)).text


async def test_chat_policies_are_the_same_for_every_task(server: RunningServer) -> None:
    casting: Casting = ChatCasting(
        actor=_endpoint(server, "text"), user=_endpoint(server, "user"), jitter=random.Random(0)
    )
    cast = casting.cast(TASK)
    assert (await _says(cast.actor), await _says(cast.user)) == ("Good morning.", OPENING)
    assert isinstance(cast.critic, NoCritic)
    assert isinstance(cast.judge, NoJudge)
    assert casting.cast(TASK).actor is cast.actor
    await casting.close()


async def test_equal_endpoints_share_a_client_and_different_ones_do_not(server: RunningServer) -> None:
    clients = ChatClients(jitter=random.Random(0))
    text = clients.client(_endpoint(server, "text"))
    assert clients.client(_endpoint(server, "text")) is text
    assert clients.client(_endpoint(server, "user")) is not text
    await clients.close()


async def test_a_chat_actor_plays_with_a_stand_in_and_the_other_way_round(server: RunningServer) -> None:
    clients = ChatClients(jitter=random.Random(0))
    text = _endpoint(server, "text")
    for actor, user, said in (
        (clients.actor(text), _parrot, ["Good morning.", "task 0"]),
        (_parrot, clients.user(text), ["task 0", "Good morning."]),
    ):
        cast = RoleCasting(actor=actor, user=user, critic=lambda task: NoCritic(), closing=[]).cast(TASK)
        assert [await _says(cast.actor), await _says(cast.user)] == said
    await clients.close()


async def test_a_chat_judge_is_the_same_for_every_task_and_shares_its_endpoints_client(server: RunningServer) -> None:
    clients = ChatClients(jitter=random.Random(0))
    where = _endpoint(server, "judge")
    casting = RoleCasting(
        actor=_parrot, user=_parrot, critic=lambda task: NoCritic(), judge=clients.judge(where), closing=[clients]
    )
    judge = casting.cast(TASK).judge
    assert casting.cast(TASK).judge is judge
    assert (await judge.judge(["It is so."], (), seed=0)).met == (True,)
    await clients.client(where).close()
    with pytest.raises(AssertionError, match="was closed"):
        await judge.judge(["It is so."], (), seed=0)


async def test_each_kind_of_chat_player_is_made_over_its_endpoints_one_client(server: RunningServer) -> None:
    clients = ChatClients(jitter=random.Random(0))
    where = _endpoint(server, "text")
    react, critic = clients.actor(where, style="react"), clients.critic(where, mode="score", reviewer="reflection")
    best = best_of_n(clients.actor(where), critic, n=2)
    cast = RoleCasting(actor=best, user=clients.user(where), critic=critic, closing=[clients]).cast(TASK)
    assert isinstance(react(TASK), ReActActor)
    assert isinstance(cast.actor, BestOfN)
    assert isinstance(cast.critic, ChatCritic)
    assert await _says(cast.actor) == "Good morning."
    await clients.client(where).close()
    for player in (cast.actor, react(TASK), cast.user):
        with pytest.raises(AssertionError, match="was closed"):
            await _says(player)


async def test_a_user_can_be_made_to_think_twice_before_it_stops(server: RunningServer) -> None:
    clients = ChatClients(jitter=random.Random(0))
    said: list[str] = []

    def stops(text: str) -> bool:
        said.append(text)
        return False

    user = clients.user(_endpoint(server, "user"), reflect_before=stops)(TASK)
    assert [await _says(user)] == said == [OPENING]
    await clients.close()


async def test_each_endpoint_has_the_gate_that_is_made_for_it(server: RunningServer) -> None:
    entered: list[Endpoint] = []

    class Counting(NoGate):
        def __init__(self, where: Endpoint) -> None:
            self._where = where

        async def enter(self, *, tokens: int) -> None:
            entered.append(self._where)

    clients = ChatClients(jitter=random.Random(0), gate=Counting)
    text, user = _endpoint(server, "text"), _endpoint(server, "user")
    for source in (clients.actor(text), clients.actor(text), clients.user(user)):
        await _says(source(TASK))
    assert entered == [text, text, user]
    await clients.close()


async def test_closing_a_casting_closes_what_it_was_given(server: RunningServer) -> None:
    clients = ChatClients(jitter=random.Random(0))
    actor = clients.actor(_endpoint(server, "text"))
    casting = RoleCasting(actor=actor, user=_parrot, critic=lambda task: NoCritic(), closing=[clients])
    policy = casting.cast(TASK).actor
    await _says(policy)
    await casting.close()
    with pytest.raises(AssertionError, match="was closed"):
        await _says(policy)


def test_a_missing_key_stops_the_casting_before_the_first_call(server: RunningServer) -> None:
    keyed = endpoint(server.base_url, "text", api_key_env="NO_SUCH_KEY")
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        ChatCasting(actor=keyed, user=keyed, jitter=random.Random(0), environ={})
