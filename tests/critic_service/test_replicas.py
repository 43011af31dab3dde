"""Two replicas with the real engine, scoring."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from ray.exceptions import RayActorError

from actors.critic_routing import prefix_key
from actors.critic_service import CriticStats
from actors.ray_workers.critic_pool import CriticPool
from actors.ray_workers.ray_critic import RayCritic
from labeling.rubric import ChatMessage
from rollouts.episode import Approve, Revise
from rollouts.identity import digest
from rollouts.protocols import Critic, Question
from tests.conformance.critic import CriticSuite
from tests.critic_service.questions import forked_tree, question

pytestmark = [pytest.mark.vllm, pytest.mark.ray, pytest.mark.timeout(900)]
# two engines take minutes to start on a busy machine

TREES, STATES, DRAFTS = 6, 3, 4


def _critic(pool: CriticPool, *, key: Callable[[Sequence[ChatMessage]], bytes] = prefix_key) -> RayCritic:
    return RayCritic(pool.replicas, max_out=64, timeout_s=200, key=key)


async def _total(pool: CriticPool) -> CriticStats:
    return sum((stats for stats in await pool.stats() if stats is not None), CriticStats())


async def test_scores_come_back_in_order_and_again_the_same(scorers: CriticPool) -> None:
    questions = [question(tree, steps=1 + tree % 4) for tree in range(12)]
    critic = _critic(scorers)
    judgements = await critic.judge(questions)
    one_by_one = [(await critic.judge([asked]))[0] for asked in questions]
    scores = [judgement.score for judgement in judgements if judgement.score is not None]
    assert len(set(scores)) > 6
    # a random model tells questions apart, so their order can be seen
    assert scores == pytest.approx([judgement.score for judgement in one_by_one], abs=0.05)
    # bfloat16 in batches of another size
    for score, judgement in zip(scores, judgements, strict=True):
        assert 0 < score < 1
        assert isinstance(judgement.verdict, Approve if score >= 0.5 else Revise)
        assert judgement.usage.completion_tokens == 1
        assert judgement.usage.replies[0].prompt_tokens == judgement.usage.prompt_tokens > 500


class TestVllmCritic(CriticSuite):
    @pytest.fixture
    def critic(self, scorers: CriticPool) -> Critic:
        return _critic(scorers)

    @pytest.fixture
    async def questions(self, scorers: CriticPool) -> Sequence[Question]:
        """Such that no verdict hangs on rounding."""
        some = [question(tree, steps=1 + tree % 4) for tree in range(12)]
        scores = [judgement.score or 0.0 for judgement in await _critic(scorers).judge(some)]
        return [asked for asked, score in zip(some, scores, strict=True) if abs(score - 0.5) > 0.05]


async def _play(critic: RayCritic, domain: str) -> None:
    """Trees side by side, each state after state, as workers play them."""

    async def grow(tree: int) -> None:
        for state in forked_tree(tree, states=STATES, drafts=DRAFTS, domain=domain):
            await critic.judge(state)

    await asyncio.gather(*(grow(tree) for tree in range(TREES)))


async def test_prefixes_are_found_again_where_their_questions_are_sent(scorers: CriticPool) -> None:
    start = await _total(scorers)
    await _play(
        _critic(scorers, key=lambda messages: digest(*(str(message).encode() for message in messages))), "chance"
    )
    scattered = await _total(scorers)
    at_home = _critic(scorers)
    await _play(at_home, "homing")
    end = await _total(scorers)
    assert end.questions - scattered.questions == TREES * STATES * DRAFTS
    assert end.cached_tokens - scattered.cached_tokens > scattered.cached_tokens - start.cached_tokens
    assert at_home.routed["prefix"] == TREES * STATES * DRAFTS


def _engine_of(replica: int) -> int:
    """The process in which the replica's engine works: its child by that name."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(process.joinpath("stat").read_text().rpartition(")")[2].split()[1])
            name = process.joinpath("cmdline").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == replica and "EngineCore" in name:
            return int(process.name)
    raise LookupError(f"process {replica} has no engine")


async def _process(pool: CriticPool, replica: int) -> int:
    """The replica's process, as soon as it has one that is ready."""
    while True:
        try:
            process: int = await pool.replicas.handles[replica].ready.remote()
            return process
        except RayActorError:
            await asyncio.sleep(0.5)


@pytest.mark.slow
async def test_an_engine_killed_in_a_batch_loses_no_question_and_comes_back(scorers: CriticPool) -> None:
    processes = [await _process(scorers, replica) for replica in range(2)]
    critic = _critic(scorers)
    questions = [question(tree, domain="doomed", draft=draft) for tree in range(40) for draft in range(4)]
    answered: list[int] = []

    async def ask(number: int) -> float | None:
        [judgement] = await critic.judge([questions[number]])
        answered.append(number)
        if len(answered) == 10:
            os.kill(_engine_of(processes[0]), signal.SIGKILL)
        return judgement.score

    scores = await asyncio.gather(*map(ask, range(len(questions))))
    assert all(score is not None for score in scores)
    assert sorted(answered) == list(range(len(questions)))
    assert critic.routed["moved"] > 0
    assert await _process(scorers, 0) != processes[0]
    assert await _process(scorers, 1) == processes[1]
    home = [(await critic.judge([asked]))[0].score for asked in questions[:8]]
    assert home == pytest.approx(scores[:8], abs=0.05)
    await critic.close()
