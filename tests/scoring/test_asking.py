"""What is asked again, what is recorded, and what ends a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from infra.score_asking import ASKS, Answered, Asking, OutOfReach, ask_all
from rollouts.episode import Approve, Failure, Usage
from rollouts.errors import DataError, FailureKind, RolloutError
from rollouts.protocols import Judgement, Question
from tests.critic_service.questions import question

PASSING = (FailureKind.INFRASTRUCTURE, FailureKind.TIMEOUT, FailureKind.RATE_LIMIT)
PAID = Usage(calls=1, prompt_tokens=10)


@dataclass(slots=True)
class Fake:
    """A critic that fails at some questions, by their seed."""

    failing: Callable[[int, int], RolloutError | None] = lambda seed, asked: None
    # seed and how often it was asked before → what goes wrong
    asked: list[int] = field(default_factory=list)
    inside: int = 0
    most_inside: int = 0

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        [asked] = questions
        before = self.asked.count(asked.seed)
        self.asked.append(asked.seed)
        self.inside += 1
        self.most_inside = max(self.most_inside, self.inside)
        await asyncio.sleep(0)
        self.inside -= 1
        if error := self.failing(asked.seed, before):
            raise error
        return [Judgement(verdict=Approve(), usage=PAID, score=asked.seed / 100)]

    async def all(self, count: int = 20, *, max_out: int = 4) -> list[Answered]:
        asking = [Asking(critic=self, question=lambda seed=seed: question(draft=seed)) for seed in range(count)]  # type: ignore[misc]
        return await ask_all(asking, max_out=max_out)


def _failing(seeds: set[int], kind: FailureKind, *, times: int = 99, fatal: bool = False) -> Fake:
    def failing(seed: int, asked: int) -> RolloutError | None:
        hit = seed in seeds and asked < times
        return RolloutError(f"no {seed}", kind=kind, fatal=fatal, usage=PAID) if hit else None

    return Fake(failing=failing)


async def test_answers_come_in_order_with_no_more_out_than_allowed() -> None:
    critic = Fake()
    answers = await critic.all(50, max_out=7)
    assert [answer.said.score for answer in answers if isinstance(answer.said, Judgement)] == [
        n / 100 for n in range(50)
    ]
    assert sorted(critic.asked) == list(range(50))
    assert critic.most_inside == 7


async def test_an_empty_batch_is_answered() -> None:
    assert await Fake().all(0) == []


@pytest.mark.parametrize("kind", [FailureKind.CONTEXT_LENGTH, FailureKind.CONTENT_FILTER, FailureKind.REJECTED])
async def test_what_would_fail_again_is_recorded_after_one_ask(kind: FailureKind) -> None:
    critic = _failing({3, 4}, kind)
    answers = await critic.all()
    assert [n for n, answer in enumerate(answers) if answer.said == Failure(kind=kind, message=f"no {n}")] == [3, 4]
    assert critic.asked.count(3) == 1
    assert answers[3].usage == PAID


@pytest.mark.parametrize("kind", PASSING)
async def test_what_may_pass_is_asked_again_and_all_of_it_is_accounted_for(kind: FailureKind) -> None:
    critic = _failing({3}, kind, times=1)
    answers = await critic.all()
    assert isinstance(answers[3].said, Judgement)
    assert answers[3].usage == PAID + PAID
    assert critic.asked.count(3) == 2


@pytest.mark.parametrize("kind", PASSING)
async def test_a_question_that_fails_while_others_are_answered_is_given_up(kind: FailureKind) -> None:
    critic = _failing({3}, kind)
    answers = await critic.all(200)
    assert answers[3].said == Failure(kind=kind, message="no 3")
    assert critic.asked.count(3) == ASKS
    assert sum(isinstance(answer.said, Judgement) for answer in answers) == 199


@pytest.mark.parametrize("kind", PASSING)
async def test_where_nobody_is_answered_the_batch_ends_at_once(kind: FailureKind) -> None:
    critic = _failing(set(range(20)), kind)
    with pytest.raises(OutOfReach, match="no "):
        await critic.all(max_out=4)
    assert len(critic.asked) <= 4


async def test_no_replica_left_is_out_of_reach_and_a_wrong_key_is_an_error() -> None:
    with pytest.raises(OutOfReach, match="no 7"):
        await _failing({7}, FailureKind.INFRASTRUCTURE, fatal=True).all()
    with pytest.raises(DataError, match="no 7"):
        await _failing({7}, FailureKind.REJECTED, fatal=True).all()


async def test_a_bug_is_not_taken_for_a_failure_of_the_critics() -> None:
    def broken(seed: int, asked: int) -> RolloutError | None:
        raise KeyError(seed)

    with pytest.raises(ExceptionGroup) as raised:
        await Fake(failing=broken).all()
    assert raised.value.subgroup(KeyError) is not None


async def test_a_batch_of_nothing_but_rejections_is_an_error_and_one_of_long_questions_is_not() -> None:
    with pytest.raises(DataError, match="all 5 questions of a batch were rejected"):
        await _failing(set(range(5)), FailureKind.REJECTED).all(5)
    assert len(await _failing(set(range(5)), FailureKind.CONTEXT_LENGTH).all(5)) == 5
