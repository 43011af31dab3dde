"""A chat model as the critic, asked for a verdict in words or for one letter whose probability is the score.

The question and the reading of the answer are `labeling.rubric`'s, as in training. An answer that cannot be read is no verdict; it
is neither asked for again nor guessed. At the actor's own endpoint, as a "reflection", this is the self-reflection baseline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias, assert_never

from actors.chat_asking import Completer
from actors.chat_endpoint import Endpoint
from actors.chat_messages import cache_key
from actors.chat_wire import ChatRequest, Reply, WireMessage
from actors.paid import all_paid
from labeling.rubric import (
    LEAST_MASS,
    REFLECTION_VERSION,
    RUBRIC_VERSION,
    SCORE_VERSION,
    ChatMessage,
    Reviewer,
    critic_messages,
    parse_verdict,
    score_messages,
    score_of,
    scored_verdict,
    verdict_schema,
)
from rollouts.errors import FailureKind, RolloutError, UsageError
from rollouts.protocols import Judgement, Question

CriticMode: TypeAlias = Literal["critique", "score"]

TOP_LOGPROBS = 20
# as many as OpenAI gives: a confident model's other letter may be far down


def critic_identity(endpoint: Endpoint, *, mode: CriticMode, reviewer: Reviewer, threshold: float) -> str:
    """What decides the verdicts: the rows name a critic by it."""
    prompt = RUBRIC_VERSION if mode == "critique" else f"{SCORE_VERSION}/threshold={threshold:g}"
    role = f"/{REFLECTION_VERSION}" if reviewer == "reflection" else ""
    return f"{endpoint.identity}/prompt={prompt}{role}"


class ChatCritic:
    """Implements `rollouts.protocols.Critic`; the questions of a batch are asked side by side."""

    def __init__(
        self,
        client: Completer,
        *,
        mode: CriticMode = "critique",
        reviewer: Reviewer = "critic",
        threshold: float = 0.5,
    ) -> None:
        """`threshold`: the score at which a draft is approved; only the mode "score" has one.

        UsageError for that mode at an endpoint whose protocol has no log-probabilities.
        """
        if mode == "score" and not client.endpoint.gives_logprobs:
            protocol = client.endpoint.protocol
            raise UsageError(
                f'a critic with mode "score" needs log-probabilities, {protocol!r} has none; use "critique"'
            )
        self._client = client
        self._mode = mode
        self._reviewer = reviewer
        self._threshold = threshold

    @property
    def identity(self) -> str:
        return critic_identity(
            self._client.endpoint, mode=self._mode, reviewer=self._reviewer, threshold=self._threshold
        )

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        """Raises RolloutError when one of the questions gets no reply; its usage is that of the whole batch."""
        return await all_paid(self._judgement(question) for question in questions)

    async def _judgement(self, question: Question) -> Judgement:
        match self._mode:
            case "critique":
                reply = await self._client.complete(self._critique_request(question))
                return Judgement(verdict=parse_verdict(reply.text), usage=reply.usage)
            case "score":
                return self._scored(await self._client.complete(self._score_request(question)))
            case _:
                assert_never(self._mode)

    def _critique_request(self, question: Question) -> ChatRequest:
        return ChatRequest(
            messages=_wired(critic_messages(question, reviewer=self._reviewer)),
            tools=[],
            seed=question.seed,
            response_schema=verdict_schema(),
            cache_key=cache_key(question.briefing.policy, question.conversation),
        )

    def _score_request(self, question: Question) -> ChatRequest:
        return ChatRequest(
            messages=_wired(score_messages(question, reviewer=self._reviewer)),
            tools=[],
            seed=question.seed,
            max_tokens=1,
            top_logprobs=TOP_LOGPROBS,
            cache_key=cache_key(question.briefing.policy, question.conversation),
        )

    def _scored(self, reply: Reply) -> Judgement:
        if reply.text.strip() and not reply.first_token:
            wrong = (
                f"{self._client.endpoint.model!r} gives no log-probabilities, so it cannot score; use the mode critique"
            )
            raise RolloutError(wrong, kind=FailureKind.REJECTED, fatal=True, usage=reply.usage)
        score = score_of(reply.first_token, least_mass=LEAST_MASS)
        verdict = None if score is None else scored_verdict(score, threshold=self._threshold)
        return Judgement(verdict=verdict, score=score, usage=reply.usage)


def _wired(messages: Sequence[ChatMessage]) -> list[WireMessage]:
    return [{**message} for message in messages]
