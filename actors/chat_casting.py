"""Who plays a task when models do: chat policies are the same for every task, and each distinct endpoint has one client.

Roles can be mixed: a `PolicySource` gives the policy for a task, whether it is a chat model or a stand-in made for it.

    clients = ChatClients(jitter=random.Random())
    RoleCasting(actor=clients.actor(endpoint), user=lambda task: stand_ins.cast(task).user, critic=…, closing=[clients, stand_ins])
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from actors.chat_client import ChatClient
from actors.chat_endpoint import Endpoint
from actors.chat_judge import ChatJudge
from actors.chat_policy import ChatActor, ChatUser
from rollouts.episode import Task
from rollouts.protocols import Cast, Critic, Judge, NoCritic, NoJudge, Policy

PolicySource: TypeAlias = Callable[[Task], Policy]
CriticSource: TypeAlias = Callable[[Task], Critic]


class Closable(Protocol):
    async def close(self) -> None: ...


class ChatClients:
    """One client for each distinct endpoint, made when it is first asked for."""

    def __init__(self, *, jitter: random.Random, environ: Mapping[str, str] = os.environ) -> None:
        self._jitter = jitter
        self._environ = environ
        self._clients: dict[Endpoint, ChatClient] = {}

    def client(self, endpoint: Endpoint) -> ChatClient:
        """UsageError when the endpoint's key is not in the environment."""
        if endpoint not in self._clients:
            self._clients[endpoint] = ChatClient(endpoint, jitter=self._jitter, environ=self._environ)
        return self._clients[endpoint]

    def actor(self, endpoint: Endpoint) -> PolicySource:
        policy = ChatActor(self.client(endpoint))
        return lambda task: policy

    def user(self, endpoint: Endpoint) -> PolicySource:
        policy = ChatUser(self.client(endpoint))
        return lambda task: policy

    def judge(self, endpoint: Endpoint) -> Judge:
        return ChatJudge(self.client(endpoint))

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()


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
