"""Who plays a task when models do: chat policies are the same for every task, and each distinct endpoint has one client.

Roles can be mixed: a `PolicySource` gives the policy for a task, whether it is a chat model or a stand-in made for it.

    clients = ChatClients(jitter=random.Random())
    RoleCasting(actor=clients.actor(endpoint), user=lambda task: stand_ins.cast(task).user, critic=…, closing=[clients, stand_ins])
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, TypeAlias, assert_never

from actors.best_of_n import BestOfN
from actors.chat_client import ChatClient
from actors.chat_critic import ChatCritic, CriticMode
from actors.chat_endpoint import Endpoint
from actors.chat_gate import Gate, NoGate
from actors.chat_judge import ChatJudge
from actors.chat_policy import ChatActor, ChatUser, never
from actors.chat_react import ReActActor
from labeling.rubric import Reviewer
from rollouts.episode import Task
from rollouts.protocols import Cast, Critic, Judge, NoCritic, NoJudge, Policy

PolicySource: TypeAlias = Callable[[Task], Policy]
CriticSource: TypeAlias = Callable[[Task], Critic]
ActorStyle: TypeAlias = Literal["tools", "react"]
# how a chat actor acts: by the endpoint's tool calling, or in text where a model has none


class Closable(Protocol):
    async def close(self) -> None: ...


class ChatClients:
    """One client for each distinct endpoint, made when it is first asked for."""

    def __init__(
        self,
        *,
        jitter: random.Random,
        gate: Callable[[Endpoint], Gate] = lambda endpoint: NoGate(),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._jitter = jitter
        self._gate = gate
        self._environ = environ
        self._clients: dict[Endpoint, ChatClient] = {}

    def client(self, endpoint: Endpoint) -> ChatClient:
        """UsageError when the endpoint's key is not in the environment."""
        if endpoint not in self._clients:
            self._clients[endpoint] = ChatClient(
                endpoint, jitter=self._jitter, gate=self._gate(endpoint), environ=self._environ
            )
        return self._clients[endpoint]

    def actor(self, endpoint: Endpoint, *, style: ActorStyle = "tools") -> PolicySource:
        policy: Policy
        match style:
            case "tools":
                policy = ChatActor(self.client(endpoint))
            case "react":
                policy = ReActActor(self.client(endpoint))
            case _:
                assert_never(style)
        return lambda task: policy

    def user(self, endpoint: Endpoint, *, reflect_before: Callable[[str], bool] = never) -> PolicySource:
        """`reflect_before`: which of the user's messages are thought over before they are sent."""
        policy = ChatUser(self.client(endpoint), reflect_before=reflect_before)
        return lambda task: policy

    def critic(
        self,
        endpoint: Endpoint,
        *,
        mode: CriticMode = "critique",
        reviewer: Reviewer = "critic",
        threshold: float = 0.5,
    ) -> CriticSource:
        """With the actor's own endpoint and the reviewer "reflection", this is an actor that reviews itself."""
        critic = ChatCritic(self.client(endpoint), mode=mode, reviewer=reviewer, threshold=threshold)
        return lambda task: critic

    def judge(self, endpoint: Endpoint) -> Judge:
        return ChatJudge(self.client(endpoint))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


def best_of_n(actor: PolicySource, critic: CriticSource, *, n: int) -> PolicySource:
    """An actor that plays the best of n drafts of `actor`, in the critic's eyes."""
    return lambda task: BestOfN(actor(task), critic(task), n=n)


class RoleCasting:
    """Each role from its own source; one judge for all tasks; `closing` is closed in order."""

    def __init__(
        self,
        *,
        actor: PolicySource,
        user: PolicySource,
        critic: CriticSource,
        judge: Judge = NoJudge(),
        closing: Sequence[Closable],
    ) -> None:
        self._actor = actor
        self._user = user
        self._critic = critic
        self._judge = judge
        self._closing = closing

    def cast(self, task: Task) -> Cast:
        return Cast(actor=self._actor(task), user=self._user(task), critic=self._critic(task), judge=self._judge)

    async def close(self) -> None:
        for closable in self._closing:
            await closable.close()


class ChatCasting(RoleCasting):
    """Both sides are chat models, and nobody reviews."""

    def __init__(
        self, *, actor: Endpoint, user: Endpoint, jitter: random.Random, environ: Mapping[str, str] = os.environ
    ) -> None:
        clients = ChatClients(jitter=jitter, environ=environ)
        super().__init__(
            actor=clients.actor(actor), user=clients.user(user), critic=lambda task: NoCritic(), closing=[clients]
        )
