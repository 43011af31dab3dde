"""One engine's questions, with an engine that the test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from actors.critic_cancelling import Cancelled
from actors.critic_service import Ask, CriticService, CriticStats, EngineLost
from actors.critic_settings import CriticSettings
from labeling.rubric import ChatMessage, critic_messages
from rollouts.episode import Approve, Revise
from rollouts.errors import FailureKind, RolloutError, UsageError
from tests.critic_service.fake_engine import FakeEngine
from tests.critic_service.questions import question

SCORE = CriticSettings(model="fake", num_gpus=0)
CRITIQUE = CriticSettings(model="fake", mode="critique", num_gpus=0)


def _clock() -> Iterator[float]:
    seconds = 0.0
    while True:
        seconds += 1.0
        yield seconds


def _service(engine: FakeEngine, settings: CriticSettings = SCORE) -> CriticService:
    return CriticService(engine, settings, clock=_clock().__next__)


def _ask(number: int = 0, *, steps: int = 3) -> Ask:
    return Ask(messages=critic_messages(question(steps=steps)), seed=number, ticket=str(number))


async def _settle() -> None:
    await asyncio.sleep(0.05)
    # prompts are made in another thread


@pytest.mark.parametrize(("approve", "verdict"), [(0.7, Approve()), (0.69, Revise(feedback="Reconsider this action."))])
async def test_a_score_is_the_probability_of_approval_and_the_threshold_decides(
    approve: float, verdict: Approve | Revise
) -> None:
    judgement = await _service(FakeEngine(approve=approve), replace(SCORE, threshold=0.7)).answer(_ask())
    assert judgement.score == pytest.approx(approve)
    assert judgement.verdict == verdict


async def test_a_critique_is_read_and_one_that_cannot_be_read_is_no_verdict() -> None:
    read = await _service(FakeEngine(text='{"verdict":"revise","feedback":"Look it up."}'), CRITIQUE).answer(_ask())
    cut = await _service(FakeEngine(text='{"verdict":"revise","feedback":"Loo'), CRITIQUE).answer(_ask())
    assert (read.verdict, read.score) == (Revise(feedback="Look it up."), None)
    assert (cut.verdict, cut.score) == (None, None)
    assert cut.usage.calls == 1


async def test_an_answered_question_is_counted_by_why_it_was_sent_here() -> None:
    service = _service(FakeEngine())
    for reason in ("prefix", "moved", "load", "load"):
        await service.answer(replace(_ask(), reason=reason))
    stats = service.stats()
    assert (stats.routed_prefix, stats.routed_moved, stats.routed_load, stats.questions) == (1, 1, 2, 4)


async def test_a_judgement_says_what_it_used() -> None:
    service = _service(FakeEngine())
    judgement = await service.answer(_ask())
    [reply] = judgement.usage.replies
    prompt_tokens = sum(len(message["content"]) for message in _ask().messages)
    assert (reply.model, reply.prompt_tokens, reply.cached_tokens) == ("fake", prompt_tokens, prompt_tokens // 2)
    assert (reply.wait_s, reply.latency_s, reply.cost_usd) == (1.0, 1.0, 0.0)
    assert judgement.usage.calls == 1
    stats = service.stats()
    assert (stats.questions, stats.queue_s, stats.engine_s) == (1, 1.25, 0.75)
    assert stats.hit_rate == pytest.approx(0.5, abs=0.001)


async def test_a_cancelled_question_leaves_the_engine_and_the_next_one_enters() -> None:
    engine = FakeEngine(held=True)
    service = _service(engine, replace(SCORE, max_running=1))
    tasks = [asyncio.create_task(service.answer(_ask(number))) for number in range(3)]
    await _settle()
    assert (engine.inside, service.stats().waiting) == ([0], 2)
    tasks[0].cancel()
    tasks[1].cancel()
    await _settle()
    assert (engine.aborted, engine.inside, service.stats().waiting) == ([0], [2], 0)
    engine.let.set()
    await tasks[2]
    assert (service.stats().abandoned, service.stats().questions) == (2, 1)


async def test_a_question_that_was_taken_back_by_its_ticket_is_abandoned_wherever_it_was() -> None:
    engine = FakeEngine(held=True)
    service = _service(engine, replace(SCORE, max_running=1))
    tasks = [asyncio.create_task(service.answer(_ask(number))) for number in range(3)]
    await _settle()
    for ticket in ("0", "1", "3"):
        service.cancel(ticket)
    await _settle()
    assert (engine.aborted, engine.inside, service.stats().waiting) == ([0], [2], 0)
    engine.let.set()
    await tasks[2]
    for taken_back in (tasks[0], tasks[1], service.answer(_ask(3))):
        with pytest.raises(Cancelled):
            await taken_back
    assert (service.stats().abandoned, service.stats().questions) == (3, 1)
    assert engine.entered == [0, 2]


async def test_a_question_that_is_too_long_is_shortened_and_says_so() -> None:
    messages = _ask(steps=6).messages
    window = sum(len(message["content"]) for message in messages) - 500
    engine = FakeEngine(window=window)
    service = _service(engine)
    judgement = await service.answer(_ask(steps=6))
    assert judgement.usage.replies[0].finish_reason == "stop/left_out=1"
    assert judgement.usage.prompt_tokens < window
    assert "characters left out" in engine.prompts[0]
    assert service.stats().shortened == 1


@pytest.mark.parametrize(("settings", "steps"), [(replace(SCORE, on_too_long="refuse"), 6), (SCORE, 0)])
async def test_a_question_that_may_not_or_cannot_be_shortened_never_reaches_the_engine(
    settings: CriticSettings, steps: int
) -> None:
    engine = FakeEngine(window=2000)
    service = _service(engine, settings)
    with pytest.raises(RolloutError, match="1999 tokens") as refused:
        await service.answer(_ask(steps=steps))
    assert refused.value.kind is FailureKind.CONTEXT_LENGTH
    assert (engine.entered, service.stats().too_long) == ([], 1)


async def test_room_is_kept_for_the_answer() -> None:
    length = sum(len(message["content"]) for message in _ask().messages)
    refuse = replace(CRITIQUE, on_too_long="refuse", max_tokens=100)
    await _service(FakeEngine(window=length + 100, text="{}"), refuse).answer(_ask())
    with pytest.raises(RolloutError, match=f"more than the {length - 1} tokens"):
        await _service(FakeEngine(window=length + 99), refuse).answer(_ask())


async def test_a_dead_engine_is_told_to_everyone_inside() -> None:
    engine = FakeEngine(held=True)
    service = _service(engine)
    tasks = [asyncio.create_task(service.answer(_ask(number))) for number in range(4)]
    await _settle()
    engine.dead = True
    engine.let.set()
    assert all(isinstance(error, EngineLost) for error in await asyncio.gather(*tasks, return_exceptions=True))


async def test_the_statistics_of_replicas_add_up() -> None:
    services = [_service(FakeEngine()), _service(FakeEngine())]
    for number, service in enumerate(services):
        for _ in range(number + 1):
            await service.answer(_ask())
    total = sum((service.stats() for service in services), CriticStats())
    assert (total.questions, total.completion_tokens) == (3, 3)
    assert total.hit_rate == pytest.approx(services[0].stats().hit_rate)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": ""}, "critic.model"),
        ({"threshold": 1.5}, "critic.threshold"),
        ({"temperature": -1.0}, "critic.temperature"),
        ({"max_running": 0}, "critic.max_running"),
        ({"num_gpus": 1.5}, "critic.num_gpus"),
        ({"num_gpus": 2.0}, "critic.tensor_parallel = 1 needs critic.num_gpus = 1"),
        ({"engine_args": {"max_num_seqs": 3}}, "critic.engine_args: max_num_seqs"),
    ],
)
def test_settings_that_no_replica_could_work_with_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        CriticSettings(**{"model": "fake", **changes})  # type: ignore[arg-type]


def test_the_rows_name_what_decides_the_verdicts() -> None:
    assert SCORE.identity == "vllm:fake/score/threshold=0.5/prompt=score-1"
    assert CRITIQUE.identity == "vllm:fake/critique/temperature=0/max_tokens=512/prompt=critic-1"


class _Whole:
    """A tokenizer of single characters that marks where a text begins, so a text cut in two has other tokens."""

    chat_template = "plain"
    all_special_tokens = ("<|end|>",)

    def apply_chat_template(self, conversation: Sequence[ChatMessage], **options: object) -> str:
        return "".join(f"{message['content']}<|end|>" for message in conversation)

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [1, *map(ord, text)]

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(map(chr, token_ids))


class _Pieces(_Whole):
    """The same without the mark; it counts what it had to read."""

    def __init__(self) -> None:
        self.read = 0

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        self.read += len(text)
        return list(map(ord, text))


def test_a_system_text_is_tokenized_once_and_only_where_that_changes_nothing() -> None:
    from actors.critic_prompt import PromptEncoder

    messages = critic_messages(question())
    pieces = _Pieces()
    encoders = PromptEncoder(pieces, model="fake"), PromptEncoder(_Whole(), model="fake")
    text = _Whole().apply_chat_template(messages)
    for encoder, tokens in zip(encoders, (list(map(ord, text)), [1, *map(ord, text)]), strict=True):
        assert encoder.encode(messages) == encoder.encode(messages) == tokens
    read = pieces.read
    encoders[0].encode(messages)
    assert pieces.read - read == len(text) - len(messages[0]["content"])


def test_a_score_word_that_is_no_single_token_is_named() -> None:
    from actors.critic_prompt import score_tokens

    assert score_tokens(_Pieces(), ["A", "R"], model="fake") == {ord("A"): "A", ord("R"): "R"}
    with pytest.raises(UsageError, match=r"the word 'R'.* 2 tokens.*critic.mode = .critique."):
        score_tokens(_Whole(), ["R"], model="fake")
