"""What every `Critic` must do. A critic's test class inherits a suite and provides the fixtures `critic` and `questions`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from rollouts.episode import Revise
from rollouts.protocols import Critic, Judgement, Question

SCORE_TOLERANCE = 0.02
# of one question in batches of different sizes: a model's arithmetic is not quite the same in each


class CriticSuite:
    """For any critic. `questions`: at least two, to which this critic has different answers."""

    async def test_no_questions_get_no_answers(self, critic: Critic) -> None:
        assert list(await critic.judge([])) == []

    async def test_the_answers_are_in_the_order_of_the_questions(
        self, critic: Critic, questions: Sequence[Question]
    ) -> None:
        alone = [(await critic.judge([question]))[0] for question in questions]
        assert len({(str(judgement.verdict), judgement.score) for judgement in alone}) > 1
        together = await critic.judge(questions)
        backwards = await critic.judge(questions[::-1])
        assert len(together) == len(backwards) == len(questions)
        for one, same, again in zip(alone, together, reversed(backwards), strict=True):
            _assert_same(one, same)
            _assert_same(one, again)

    async def test_a_question_asked_twice_is_answered_twice(
        self, critic: Critic, questions: Sequence[Question]
    ) -> None:
        first, *others = await critic.judge([questions[0]] * 5)
        assert len(others) == 4
        for other in others:
            _assert_same(first, other)

    async def test_batches_side_by_side_do_not_mix(self, critic: Critic, questions: Sequence[Question]) -> None:
        batches = [questions, questions[::-1], questions[:1], questions]
        expected = [await critic.judge(batch) for batch in batches]
        answers = await asyncio.gather(*(critic.judge(batch) for batch in batches))
        for wanted, given in zip(expected, answers, strict=True):
            for one, same in zip(wanted, given, strict=True):
                _assert_same(one, same)

    async def test_every_answer_says_what_it_used(self, critic: Critic, questions: Sequence[Question]) -> None:
        for judgement in await critic.judge(questions):
            usage = judgement.usage
            assert usage.calls == 1
            assert len(usage.replies) <= usage.calls
            assert min(usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) >= 0
            assert usage.cached_tokens <= usage.prompt_tokens

    async def test_a_score_is_a_probability_and_a_revision_says_something(
        self, critic: Critic, questions: Sequence[Question]
    ) -> None:
        for judgement in await critic.judge(questions):
            assert judgement.score is None or 0.0 <= judgement.score <= 1.0
            assert not isinstance(judgement.verdict, Revise) or judgement.verdict.feedback.strip()


class ModelCriticSuite(CriticSuite):
    """For a critic that a model speaks for. `unreadable`: questions to which it gives an answer that nobody can read."""

    async def test_an_answer_that_cannot_be_read_is_no_verdict_and_is_paid_for(
        self, critic: Critic, unreadable: Sequence[Question]
    ) -> None:
        judgements = await critic.judge(unreadable)
        assert judgements
        assert [(judgement.verdict, judgement.score) for judgement in judgements] == [(None, None)] * len(unreadable)
        assert all(judgement.usage.calls == len(judgement.usage.replies) == 1 for judgement in judgements)

    async def test_an_unreadable_answer_does_not_spoil_its_neighbours(
        self, critic: Critic, questions: Sequence[Question], unreadable: Sequence[Question]
    ) -> None:
        mixed = await critic.judge([*questions, *unreadable, *questions])
        expected = await critic.judge(questions)
        for one, same in zip(
            [*expected, *expected], [*mixed[: len(questions)], *mixed[-len(questions) :]], strict=True
        ):
            _assert_same(one, same)


def _assert_same(one: Judgement, other: Judgement) -> None:
    assert one.verdict == other.verdict
    if one.score is None or other.score is None:
        assert one.score == other.score
    else:
        assert one.score == pytest.approx(other.score, abs=SCORE_TOLERANCE)
