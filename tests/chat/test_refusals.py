"""What providers say when they refuse, word for word as each says it, and what it is taken to mean."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat_faults import Fault
from actors.chat_http import HttpAnswer
from actors.chat_key import ApiKey
from actors.chat_refusals import Asked, fault_of_answer
from rollouts.errors import FailureKind

CONTEXT, FILTER, REJECTED = FailureKind.CONTEXT_LENGTH, FailureKind.CONTENT_FILTER, FailureKind.REJECTED


def _fault(status: int, body: object, *, with_tools: bool = True) -> Fault:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = HttpAnswer(status=status, content_type="application/json", headers={}, body=raw)
    asked = Asked(model="m", url="http://h/v1/x", key=ApiKey("", environ={}), with_tools=with_tools)
    return fault_of_answer(answer, asked=asked, retry_after_s=None)


def _openai(message: str, *, code: object = None, **more: object) -> object:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code, **more}}


def _anthropic(kind: str, message: str) -> object:
    return {"type": "error", "error": {"type": kind, "message": message}}


TOO_LONG = {
    "openai": (400, _openai("Your input exceeds the limit.", code="context_length_exceeded")),
    "openai in words": (400, _openai("This model's maximum context length is 128000 tokens. However, ...")),
    "vllm": (
        400,
        {
            "object": "error",
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000",
            "type": "BadRequestError",
            "code": 400,
        },
    ),
    "vllm, newer": (
        400,
        _openai("The decoder prompt (length 5000) is longer than the maximum model length of 4096.", code=400),
    ),
    "anthropic": (400, _anthropic("invalid_request_error", "prompt is too long: 205000 tokens > 200000 maximum")),
    "anthropic with the reply": (
        400,
        _anthropic("invalid_request_error", "input length and `max_tokens` exceed context limit: 190000 + 20000"),
    ),
    "anthropic in bytes": (413, _anthropic("request_too_large", "Request exceeds the maximum size")),
    "llama.cpp": (
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
            }
        },
    ),
    "gemini": (
        400,
        {"error": {"message": "The input token count (9) exceeds the maximum number of tokens allowed (8)."}},
    ),
    "bedrock": (400, {"message": "Input is too long for requested model."}),
    "plain text": (400, b"context length exceeded"),
    "fastapi": (422, {"detail": "context window exceeded"}),
}
OBJECTIONABLE = {
    "azure": (
        400,
        _openai(
            "The response was filtered due to the prompt triggering our policy.",
            code="content_filter",
            innererror={"code": "ResponsibleAIPolicyViolation"},
        ),
    ),
    "openai": (400, _openai("Your request was rejected.", code="content_policy_violation")),
    "openai, reasoning": (400, _openai("Invalid prompt: it was flagged.", code="invalid_prompt")),
    "anthropic": (400, _anthropic("invalid_request_error", "Output blocked by content filtering policy")),
    "openrouter": (403, {"error": {"code": 403, "message": "Input was flagged by moderation"}}),
}
TOOLLESS = {
    "ollama": (400, _openai("registry.ollama.ai/library/gemma:latest does not support tools")),
    "vllm": (400, _openai('"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set')),
    "llama.cpp": (500, _openai("tools param requires --jinja flag", code=500)),
    "openai": (400, _openai("Unsupported parameter: 'tools' is not supported with this model.")),
    "deepseek": (400, _openai("deepseek-reasoner does not support Function Calling")),
    "groq": (400, _openai("`tool calling` is not supported with this model")),
    "openrouter": (404, _openai("No endpoints found that support tool use.", code=404)),
}
PENNILESS = {
    "openai": (429, _openai("You exceeded your current quota", code="insufficient_quota")),
    "anthropic": (400, _anthropic("invalid_request_error", "Your credit balance is too low to access the API.")),
    "openrouter": (402, _openai("Insufficient credits", code=402)),
}


@pytest.mark.parametrize("whose", TOO_LONG)
def test_a_conversation_too_long_is_recognised(whose: str) -> None:
    fault = _fault(*TOO_LONG[whose])
    assert (fault.kind, fault.retryable, fault.fatal) == (CONTEXT, False, False)


@pytest.mark.parametrize("whose", OBJECTIONABLE)
def test_a_content_filter_is_recognised(whose: str) -> None:
    fault = _fault(*OBJECTIONABLE[whose])
    assert (fault.kind, fault.retryable, fault.fatal) == (FILTER, False, False)


@pytest.mark.parametrize("whose", TOOLLESS)
def test_a_model_without_tools_ends_the_run_and_names_the_actor_to_use(whose: str) -> None:
    fault = _fault(*TOOLLESS[whose])
    assert (fault.kind, fault.retryable, fault.fatal) == (REJECTED, False, True)
    assert 'actor.kind = "react"' in fault.message


@pytest.mark.parametrize("whose", TOOLLESS)
def test_a_request_without_tools_is_never_told_that_they_are_missing(whose: str) -> None:
    assert "react" not in _fault(*TOOLLESS[whose], with_tools=False).message


@pytest.mark.parametrize("whose", PENNILESS)
def test_an_account_without_money_ends_the_run(whose: str) -> None:
    fault = _fault(*PENNILESS[whose])
    assert (fault.kind, fault.retryable, fault.fatal) == (REJECTED, False, True)
    assert "no money or quota" in fault.message


@pytest.mark.parametrize(
    "body",
    [
        {"detail": [{"msg": "field required", "input": "my context length, moderation and credit balance is too low"}]},
        _openai("messages.3: field required; you sent: " + "x" * 500 + " content filter, context window"),
        _openai("Invalid schema for function 'cancel': 'format' is not permitted"),
    ],
)
def test_a_request_that_is_quoted_back_is_not_taken_for_the_reason(body: object) -> None:
    fault = _fault(422, body)
    assert (fault.kind, fault.fatal) == (REJECTED, False)


@pytest.mark.parametrize(
    ("status", "kind", "overloaded"),
    [
        (408, FailureKind.INFRASTRUCTURE, False),
        (409, FailureKind.INFRASTRUCTURE, False),
        (429, FailureKind.RATE_LIMIT, True),
        (500, FailureKind.INFRASTRUCTURE, False),
        (502, FailureKind.INFRASTRUCTURE, False),
        (503, FailureKind.INFRASTRUCTURE, True),
        (504, FailureKind.INFRASTRUCTURE, False),
        (529, FailureKind.RATE_LIMIT, True),
    ],
)
def test_a_passing_trouble_is_retried_and_only_an_overload_slows_the_others_down(
    status: int, kind: FailureKind, overloaded: bool
) -> None:
    fault = _fault(status, _anthropic("api_error", "Overloaded"))
    assert (fault.kind, fault.retryable, fault.overloaded, fault.fatal) == (kind, True, overloaded, False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "detail", "code", "type", "innererror"]), inner)
    ),
)


@given(status=st.integers(201, 599), body=st.binary(max_size=50) | JSON)
def test_no_answer_breaks_the_reader_and_each_says_its_status(status: int, body: object) -> None:
    fault = _fault(status, body)
    assert f"HTTP {status}" in fault.message
    assert not (fault.retryable and fault.fatal)
