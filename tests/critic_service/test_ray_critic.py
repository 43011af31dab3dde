"""What a worker makes of replicas that die, load, are full or refuse: real Ray actors, no engine."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.critic_settings import CriticSettings
from actors.ray_workers.critic_pool import CriticReplicas
from actors.ray_workers.ray_critic import RayCritic
from rollouts.episode import UserMessage
from rollouts.errors import FailureKind, RolloutError
from rollouts.protocols import Question
from tests.critic_service.questions import question
from tests.critic_service.stand_in import StandIn

pytestmark = pytest.mark.ray


def _asking(text: str, number: int = 0) -> Question:
    return replace(question(steps=0), conversation=(UserMessage(text=text),), seed=number)


@pytest.fixture
def replicas(ray_cluster: None, tmp_path: Path) -> Iterator[CriticReplicas]:
    """Two of them, ready."""
    import ray

    actor: Any = ray.remote(StandIn)
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 0, "max_concurrency": 1000}
    handles = tuple(actor.options(**options).remote(str(tmp_path), str(index)) for index in range(2))
    ray.get([handle.ready.remote() for handle in handles])
    yield CriticReplicas(handles=handles, settings=CriticSettings(model="stand-in", num_gpus=0))
    for handle in handles:
        ray.kill(handle, no_restart=True)


def _critic(replicas: CriticReplicas, *, timeout_s: float = 120) -> RayCritic:
    return RayCritic(replicas, max_out=100, timeout_s=timeout_s)


def _sent(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "sent").read_text().split()]


async def _waiting(replicas: CriticReplicas) -> int:
    return sum([(await handle.stats.remote()).waiting for handle in replicas.handles])


async def test_a_question_whose_replica_died_is_sent_once_more_to_another(
    replicas: CriticReplicas, tmp_path: Path
) -> None:
    critic = _critic(replicas)
    beside = [_asking(f"hello {number}", number) for number in range(1, 30)]
    judgements = await critic.judge([_asking("die once", 1000), *beside])
    assert len(judgements) == 30
    assert all(judgement.score == 1.0 for judgement in judgements)
    sent = _sent(tmp_path)
    assert sent.count(1000) == 2
    assert max(sent.count(number) for number in range(1, 30)) <= 2
    await critic.close()


async def test_a_question_that_kills_is_not_sent_a_third_time(replicas: CriticReplicas, tmp_path: Path) -> None:
    critic = _critic(replicas)
    with pytest.raises(RolloutError, match="2 critic replicas died with this question") as failed:
        await critic.judge([_asking("die always", 7)])
    assert failed.value.kind is FailureKind.INFRASTRUCTURE
    assert not failed.value.fatal
    assert _sent(tmp_path) == [7, 7]
    assert len(await critic.judge([_asking("hello")])) == 1
    await critic.close()


async def test_a_lone_replica_gets_the_question_again_when_it_is_back(replicas: CriticReplicas, tmp_path: Path) -> None:
    critic = _critic(replace(replicas, handles=replicas.handles[:1]))
    [judgement] = await critic.judge([_asking("die once", 3)])
    assert judgement.score == 1.0
    assert _sent(tmp_path) == [3, 3]
    assert critic.routed == {"prefix": 2}
    await critic.close()


async def test_when_no_replica_comes_back_the_run_is_told_to_stop(replicas: CriticReplicas, tmp_path: Path) -> None:
    critic = _critic(replicas)
    (tmp_path / "broken").touch()
    with pytest.raises(RolloutError, match="2 critic replicas died with this question"):
        await critic.judge([_asking("die always")])
    with pytest.raises(RolloutError, match="no critic replica is left: the disk is gone") as failed:
        await critic.judge([_asking("hello")])
    assert failed.value.fatal
    await critic.close()


async def test_a_full_replica_is_asked_again_later(replicas: CriticReplicas, tmp_path: Path) -> None:
    critic = _critic(replicas)
    [judgement] = await critic.judge([_asking("full", 5)])
    assert judgement.score == 1.0
    assert _sent(tmp_path) == [5, 5]


async def test_an_unanswerable_question_fails_alone_and_the_others_stay_paid_for(replicas: CriticReplicas) -> None:
    critic = _critic(replicas)
    with pytest.raises(RolloutError, match="too long") as failed:
        await critic.judge([_asking("hello"), _asking("refuse"), _asking("hello again")])
    assert failed.value.kind is FailureKind.CONTEXT_LENGTH
    assert failed.value.usage is not None
    assert failed.value.usage.calls == 2


async def test_whoever_stops_waiting_is_cancelled_at_the_replica(replicas: CriticReplicas) -> None:
    critic = _critic(replicas)
    task = asyncio.create_task(critic.judge([_asking("wait")]))
    while not await _waiting(replicas):
        await asyncio.sleep(0.01)
    task.cancel()
    while await _waiting(replicas):
        await asyncio.sleep(0.01)
    with pytest.raises(RolloutError, match=r"no answer within 0\.5 s") as late:
        await _critic(replicas, timeout_s=0.5).judge([_asking("wait")])
    assert late.value.kind is FailureKind.TIMEOUT
    while await _waiting(replicas):
        await asyncio.sleep(0.01)


async def test_a_question_that_is_cancelled_on_its_way_is_cancelled_too(
    replicas: CriticReplicas, tmp_path: Path
) -> None:
    sent = 0
    for timeout_s in (0.0, 0.0005, 0.001, 0.002, 0.005):
        hasty = _critic(replicas, timeout_s=timeout_s)
        for _ in range(20):
            with pytest.raises(RolloutError, match="no answer within"):
                await hasty.judge([_asking("wait", sent)])
            sent += 1
        with pytest.raises(RolloutError, match="no answer within"):
            await hasty.judge([_asking("wait", sent + number) for number in range(50)])
        sent += 50
    begun = 0
    while (now := len(_sent(tmp_path))) > begun or await _waiting(replicas):
        begun = now
        await asyncio.sleep(0.5)
    assert begun > sent / 2


async def test_replicas_with_names_are_found_by_them_in_another_process(ray_cluster: None, tmp_path: Path) -> None:
    import ray

    class Asker:
        async def ask(self, held: list[bytes]) -> int:
            replicas: CriticReplicas = pickle.loads(held[0])  # noqa: S301 - our own
            return len(await RayCritic(replicas, max_out=1, timeout_s=60).judge([_asking("hello")]))

    name = "treeroll-critic-of-this-test"
    actors: tuple[Any, Any] = (ray.remote(StandIn), ray.remote(Asker))
    replica = actors[0].options(num_cpus=0, name=name).remote(str(tmp_path), "0")
    await replica.ready.remote()
    asker = actors[1].options(num_cpus=0).remote()
    settings = CriticSettings(model="stand-in", num_gpus=0)
    held = pickle.dumps(CriticReplicas(handles=(replica,), settings=settings, names=(name,)))
    # without a handle in it: plain pickle could not write one
    assert await asker.ask.remote([held]) == 1
    for handle in (replica, asker):
        ray.kill(handle)
