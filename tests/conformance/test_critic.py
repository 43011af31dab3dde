"""Every critic against the one suite."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence

import pytest

from actors.chat_client import ChatClient
from actors.chat_critic import ChatCritic, CriticMode
from actors.scripted import CriticRates, ScriptedCritic
from rollouts.episode import Draft
from rollouts.protocols import Critic, Question
from tests.chat.reviewer import reviewer
from tests.chat.samples import BRIEFING, LOOKED_UP, endpoint
from tests.conformance.critic import CriticSuite, ModelCriticSuite
from tests.scripted.shop import TASKS, ShopEnvironment


class TestScriptedCritic(CriticSuite):
    @pytest.fixture
    def critic(self) -> Critic:
        return ScriptedCritic(TASKS[1], rates=CriticRates(hit_rate=0.5))

    @pytest.fixture
    def questions(self) -> Sequence[Question]:
        briefing = ShopEnvironment().briefing(TASKS[1])
        wrong = Draft(text="Goodbye.")
        return [Question(conversation=(), briefing=briefing, draft=wrong, seed=seed) for seed in range(20)]


def _questions(*drafts: str) -> Sequence[Question]:
    return [
        Question(conversation=LOOKED_UP, briefing=BRIEFING, draft=Draft(text=text), seed=seed)
        for seed, text in enumerate(drafts)
    ]


class HttpCriticSuite(ModelCriticSuite):
    mode: CriticMode

    @pytest.fixture
    async def critic(self) -> AsyncIterator[Critic]:
        async with reviewer() as base_url:
            client = ChatClient(endpoint(base_url, "reviewer"), jitter=random.Random(0))
            yield ChatCritic(client, mode=self.mode)
            await client.close()

    @pytest.fixture
    def questions(self) -> Sequence[Question]:
        return _questions("slow and wrong 1", "right 2", "wrong 3", "slow and right 4", "wrong 5")

    @pytest.fixture
    def unreadable(self) -> Sequence[Question]:
        return _questions("unclear", "slow and unclear")


class TestChatCriticInWords(HttpCriticSuite):
    mode = "critique"


class TestChatCriticInOneLetter(HttpCriticSuite):
    mode = "score"
