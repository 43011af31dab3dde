"""One replica with the real engine, writing critiques."""

from __future__ import annotations

import asyncio

import pytest

from actors.critic_service import CriticStats
from actors.ray_workers.critic_pool import CriticPool
from actors.ray_workers.ray_critic import RayCritic
from rollouts.episode import Approve, Revise
from rollouts.errors import FailureKind, RolloutError
from tests.critic_service.questions import question

pytestmark = [pytest.mark.vllm, pytest.mark.ray, pytest.mark.timeout(900)]
# two engines take minutes to start on a busy machine


async def _stats(pool: CriticPool) -> CriticStats:
    [stats] = await pool.stats()
    assert stats is not None
    return stats


async def test_whatever_the_model_says_is_a_verdict(writer: CriticPool) -> None:
    critic = RayCritic(writer.replicas, max_out=64, timeout_s=200)
    judgements = await critic.judge([question(draft=draft) for draft in range(24)])
    finished = [judgement for judgement in judgements if judgement.usage.replies[0].finish_reason == "stop"]
    assert len(finished) > 12
    assert len({judgement.verdict for judgement in finished}) > 2
    for judgement in judgements:
        match judgement.verdict:
            case Revise(feedback=feedback):
                assert 0 < len(feedback) <= 320
            case Approve():
                pass
            case None:
                assert judgement not in finished
    assert all(judgement.score is None for judgement in judgements)


async def test_questions_whose_branch_ended_leave_the_engine_and_the_queue(writer: CriticPool) -> None:
    before = await _stats(writer)
    critic = RayCritic(writer.replicas, max_out=64, timeout_s=200)
    tasks = [asyncio.create_task(critic.judge([question(draft=draft, domain="ended")])) for draft in range(40)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    settled, asked_later, now = 0, 0, before
    async with asyncio.timeout(200):
        while settled < 40 or now.waiting or now.engine.running:
            await critic.judge([question(domain="after")])
            asked_later += 1
            now = await _stats(writer)
            settled = now.questions - before.questions - asked_later + now.abandoned - before.abandoned
    assert settled == 40
    assert now.abandoned - before.abandoned > 20


async def test_a_deadline_is_a_timeout_and_frees_the_place(writer: CriticPool) -> None:
    before = await _stats(writer)
    hasty = RayCritic(writer.replicas, max_out=64, timeout_s=0.001)
    with pytest.raises(RolloutError, match=r"no answer within 0\.001 s") as late:
        await hasty.judge([question()])
    assert late.value.kind is FailureKind.TIMEOUT
    patient = RayCritic(writer.replicas, max_out=64, timeout_s=200)
    assert len(await patient.judge([question()])) == 1
    after = await _stats(writer)
    assert after.questions == before.questions + 1
    # the hasty one is not answered for nobody
