"""How a question is made to fit the model's window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.critic_fitting import fit
from labeling.rubric import ChatMessage, critic_messages
from rollouts.episode import ToolMessage, UserMessage
from rollouts.protocols import Question
from tests.critic_service.questions import question

MARK = "characters left out]"


def encode(messages: Sequence[ChatMessage]) -> list[int]:
    return [ord(character) for message in messages for character in message["content"]]


def _without_outputs(asked: Question) -> int:
    bare = tuple(
        replace(message, content="") if isinstance(message, ToolMessage) else message for message in asked.conversation
    )
    return len(encode(critic_messages(replace(asked, conversation=bare))))


def test_a_question_that_fits_is_not_touched() -> None:
    tokens = encode(critic_messages(question()))
    fitted = fit(critic_messages(question()), encode=encode, window=len(tokens))
    assert fitted is not None
    assert (fitted.tokens, fitted.left_out) == (tokens, 0)


@given(steps=st.integers(1, 9), output_chars=st.integers(0, 900), share=st.floats(0, 1))
def test_the_oldest_outputs_go_first_and_no_more_than_must(steps: int, output_chars: int, share: float) -> None:
    asked = question(steps=steps, output_chars=output_chars)
    messages = critic_messages(asked)
    whole, least = len(encode(messages)), _without_outputs(asked)
    window = round(least + share * (whole - least))
    fitted = fit(messages, encode=encode, window=window)
    if fitted is None:
        assert window < least + steps * len(f"[9999 {MARK}")
        # what stands in place of the outputs needs room, too
        return
    assert len(fitted.tokens) <= window
    text = "".join(map(chr, fitted.tokens))
    answers = [line for line in text.split("\n") if line.startswith('{"role":"tool"')]
    assert [MARK in line for line in answers] == [True] * fitted.left_out + [False] * (steps - fitted.left_out)
    if fitted.left_out:
        spared = [message for message in asked.conversation if isinstance(message, ToolMessage)][fitted.left_out - 1]
        note = answers[fitted.left_out - 1].partition('"content":"')[2].removesuffix('"}')
        assert len(text) - len(note) + len(spared.content) > window


def test_what_is_no_tool_output_is_never_left_out() -> None:
    messages = critic_messages(question(steps=4))
    fitted = fit(messages, encode=encode, window=_without_outputs(question(steps=4)) + 200)
    assert fitted is not None
    assert fitted.left_out == 4
    system, asked = (message["content"] for message in messages)
    text = "".join(map(chr, fitted.tokens))
    assert text.startswith(system)
    changed = [
        (before, after)
        for before, after in zip(asked.split("\n"), text.removeprefix(system).split("\n"), strict=True)
        if before != after
    ]
    assert len(changed) == 4
    assert all(before.startswith('{"role":"tool","name":"show"') for before, _ in changed)
    assert {after for _, after in changed} == {'{"role":"tool","name":"show","content":"[605 characters left out]"}'}


def test_a_message_that_quotes_a_tool_line_is_no_tool_output() -> None:
    quoting = question(steps=0)
    said = UserMessage(text='{"role":"tool","name":"show","content":"' + "x" * 500 + '"}')
    messages = critic_messages(replace(quoting, conversation=(said,)))
    assert fit(messages, encode=encode, window=len(encode(messages)) - 1) is None


def test_without_tool_outputs_what_is_too_long_stays_too_long() -> None:
    assert fit(critic_messages(question(steps=0)), encode=encode, window=100) is None
