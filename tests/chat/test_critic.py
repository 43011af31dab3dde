"""The chat critic: what it asks, what becomes of the answers. tests/conformance has what every critic must do."""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator

import pytest

from actors.chat_client import ChatClient
from actors.chat_critic import TOP_LOGPROBS, ChatCritic
from labeling.rubric import (
    REFLECTION_VERSION,
    RUBRIC_VERSION,
    SCORE_FEEDBACK,
    SCORE_VERSION,
    critic_messages,
    score_messages,
    verdict_schema,
)
from rollouts.episode import Approve, Draft, Revise
from rollouts.errors import FailureKind, RolloutError, UsageError
from rollouts.protocols import Judgement, Question
from tests.chat.reviewer import LIKELY, reviewer
from tests.chat.samples import BRIEFING, LOOKED_UP, endpoint
from tests.chat.script import ONE, Script, said, times

REVISE = '{"verdict":"revise","feedback":"Ask first."}'
SURE = {"A": math.log(0.6), " R": math.log(0.2)}


def _question(text: str = "It was shipped.", *, seed: int = 7) -> Question:
    return Question(conversation=LOOKED_UP, briefing=BRIEFING, draft=Draft(text=text), seed=seed)


@pytest.fixture
async def base_url() -> AsyncIterator[str]:
    async with reviewer() as url:
        yield url


# -- in words ---------------------------------------------------------------------------------------------------------


async def test_a_verdict_in_words_is_read_by_the_rubric_and_has_no_score() -> None:
    critic = ChatCritic(Script(REVISE, '{"verdict":"approve","feedback":null}'))
    assert await critic.judge([_question()]) == [Judgement(verdict=Revise(feedback="Ask first."), usage=ONE)]
    assert await critic.judge([_question()]) == [Judgement(verdict=Approve(), usage=ONE)]


async def test_the_question_is_the_rubrics_with_its_form_and_a_key_that_siblings_share() -> None:
    model = Script(REVISE, REVISE)
    await ChatCritic(model).judge([_question(), _question("Another draft.", seed=8)])
    first, second = model.asked
    assert first.messages == critic_messages(_question())
    assert (first.tools, first.seed, first.response_schema) == ([], 7, verdict_schema())
    assert (first.max_tokens, first.top_logprobs) == (None, 0)
    assert first.cache_key == second.cache_key != ""


async def test_an_answer_that_cannot_be_read_is_no_verdict_and_is_not_asked_for_again() -> None:
    model = Script("I approve of this.")
    assert await ChatCritic(model).judge([_question()]) == [Judgement(verdict=None, usage=ONE)]
    assert len(model.asked) == 1


async def test_an_actor_that_reviews_itself_is_asked_in_other_words() -> None:
    model = Script(REVISE)
    critic = ChatCritic(model, reviewer="reflection")
    [judgement] = await critic.judge([_question()])
    assert judgement.verdict == Revise(feedback="Ask first.")
    [asked] = model.asked
    assert asked.messages == critic_messages(_question(), reviewer="reflection") != critic_messages(_question())


# -- in one letter ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("threshold", "verdict"), [(0.74, Approve()), (0.76, Revise(feedback=SCORE_FEEDBACK)), (0.0, Approve())]
)
async def test_a_score_is_the_letters_probability_and_the_threshold_makes_the_verdict(
    threshold: float, verdict: Approve | Revise
) -> None:
    critic = ChatCritic(Script(said("A", first_token=SURE)), mode="score", threshold=threshold)
    [judgement] = await critic.judge([_question()])
    assert judgement.score == pytest.approx(0.75)
    assert (judgement.verdict, judgement.usage) == (verdict, ONE)


async def test_one_letter_is_asked_for_with_its_alternatives() -> None:
    model = Script(said("A", first_token=SURE))
    await ChatCritic(model, mode="score").judge([_question()])
    [asked] = model.asked
    assert asked.messages == score_messages(_question())
    assert (asked.max_tokens, asked.top_logprobs, asked.response_schema) == (1, TOP_LOGPROBS, None)


@pytest.mark.parametrize(
    "first_token", [{"I": -0.01, "A": -4.6}, {"The": -0.1}, {"A": math.log(0.3), "R": math.log(0.1)}]
)
async def test_a_model_that_was_about_to_say_something_else_gives_neither_score_nor_verdict(
    first_token: dict[str, float],
) -> None:
    critic = ChatCritic(Script(said("I", first_token=first_token)), mode="score")
    assert await critic.judge([_question()]) == [Judgement(verdict=None, score=None, usage=ONE)]


async def test_an_empty_answer_is_no_verdict() -> None:
    assert await ChatCritic(Script(""), mode="score").judge([_question()]) == [Judgement(verdict=None, usage=ONE)]


async def test_an_endpoint_that_keeps_its_log_probabilities_to_itself_stops_the_run(base_url: str) -> None:
    with pytest.raises(RolloutError, match="'m' gives no log-probabilities") as caught:
        await ChatCritic(Script("A"), mode="score").judge([_question()])
    assert (caught.value.kind, caught.value.fatal, caught.value.usage) == (FailureKind.REJECTED, True, ONE)
    client = ChatClient(endpoint(base_url, "mute"), jitter=random.Random(0))
    with pytest.raises(RolloutError, match="'mute' gives no log-probabilities"):
        await ChatCritic(client, mode="score").judge([_question()])
    await client.close()


def test_a_protocol_without_log_probabilities_is_refused_before_the_first_call() -> None:
    where = endpoint("http://127.0.0.1:1", "m", protocol="anthropic")
    with pytest.raises(UsageError, match=r"needs log-probabilities, 'anthropic' has none"):
        ChatCritic(Script(where=where), mode="score")


# -- both -------------------------------------------------------------------------------------------------------------


async def test_scores_come_over_http(base_url: str) -> None:
    client = ChatClient(endpoint(base_url, "any"), jitter=random.Random(0))
    right, wrong = await ChatCritic(client, mode="score").judge([_question(), _question("wrong")])
    await client.close()
    assert right.score == pytest.approx(LIKELY)
    assert wrong.score == pytest.approx(1 - LIKELY)


@pytest.mark.parametrize("fatal", [True, False])
async def test_one_failure_fails_the_batch_and_what_the_others_used_is_not_lost(fatal: bool) -> None:
    broken = RolloutError("broken", kind=FailureKind.INFRASTRUCTURE, fatal=fatal, usage=ONE)
    model = Script(REVISE, RolloutError("slow", kind=FailureKind.RATE_LIMIT), broken, REVISE)
    with pytest.raises(RolloutError, match="broken" if fatal else "slow") as caught:
        await ChatCritic(model).judge([_question()] * 4)
    assert caught.value.usage == times(3)


def test_a_critic_is_identified_by_endpoint_prompt_and_threshold() -> None:
    identities = [
        ChatCritic(Script()).identity,
        ChatCritic(Script(), mode="score", threshold=0.25).identity,
        ChatCritic(Script(), reviewer="reflection").identity,
    ]
    where = "chat:m/temperature=1/max_tokens=1024"
    assert identities == [
        f"{where}/prompt={RUBRIC_VERSION}",
        f"{where}/prompt={SCORE_VERSION}/threshold=0.25",
        f"{where}/prompt={RUBRIC_VERSION}/{REFLECTION_VERSION}",
    ]
