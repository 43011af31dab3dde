"""What an error says, and what it never says."""

from __future__ import annotations

import logging
import pickle
import traceback
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.chat_key import MAX_QUOTE_CHARS, ApiKey
from actors.chat_messages import wire_tools
from rollouts.errors import FailureKind, RolloutError, UsageError
from tests.chat.conftest import ENVIRON, KEY, ConnectTo
from tests.chat.personalities import PERSONALITIES
from tests.chat.process import RunningServer
from tests.chat.samples import GET_ORDER, HI


async def _error(connect: ConnectTo, personality: str, **fields: object) -> RolloutError:
    with pytest.raises(RolloutError) as caught:
        await connect(personality, max_retries=0, **fields).complete(HI)
    return caught.value


@pytest.mark.parametrize("personality", ["wrong-key", "forbidden"])
async def test_a_refused_key_is_named_by_its_variable(connect: ConnectTo, personality: str) -> None:
    assert "environment variable TEST_CHAT_KEY" in str(await _error(connect, personality))


async def test_a_server_that_wants_a_key_and_got_none_says_how_to_give_one(connect: ConnectTo) -> None:
    assert "name its environment variable in api_key_env" in str(await _error(connect, "wrong-key", api_key_env=""))


async def test_an_unknown_model_is_named_with_its_address(connect: ConnectTo, server: RunningServer) -> None:
    message = str(await _error(connect, "gpt-7-imaginary", base_url=server.base_url))
    assert f"no model 'gpt-7-imaginary' at {server.base_url}/chat/completions" in message


async def test_a_model_without_tools_is_told_which_actor_to_use(connect: ConnectTo) -> None:
    request = replace(HI, tools=wire_tools([GET_ORDER]))
    with pytest.raises(RolloutError, match=r'actor\.kind = "react"') as caught:
        await connect("no-tools").complete(request)
    assert caught.value.fatal


async def test_a_conversation_too_long_says_so(connect: ConnectTo) -> None:
    error = await _error(connect, "context-length")
    assert "longer than the context" in str(error)
    assert "8192 tokens" in str(error)


async def test_a_filter_a_spent_quota_and_a_redirect_say_so(connect: ConnectTo) -> None:
    assert "content filter refused" in str(await _error(connect, "filter"))
    assert "content filter cut" in str(await _error(connect, "filtered"))
    assert "no money or quota" in str(await _error(connect, "no-quota"))
    assert "give the address it leads to" in str(await _error(connect, "redirect"))


@pytest.mark.parametrize(
    ("personality", "says"),
    [
        ("html", "content type is 'text/html'"),
        ("truncated", "no JSON"),
        ("no-choices", "no choices"),
        ("other-role", "role 'system'"),
        ("huge", "larger than"),
    ],
)
async def test_an_answer_that_is_no_completion_says_what_is_wrong(
    connect: ConnectTo, personality: str, says: str
) -> None:
    error = await _error(connect, personality)
    assert says in str(error)
    assert len(str(error)) < 2 * MAX_QUOTE_CHARS + 300


async def test_an_error_body_is_quoted_on_one_line_and_cut(connect: ConnectTo) -> None:
    message = str(await _error(connect, "wrong-key"))
    assert "Incorrect API key provided" in message
    assert message.endswith("…")
    assert message.count("Find yours") < 12


async def test_an_error_survives_the_way_between_processes(connect: ConnectTo) -> None:
    error = await _error(connect, "unknown-model")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (str(copy), copy.kind, copy.fatal) == (str(error), FailureKind.REJECTED, True)


@pytest.mark.parametrize("personality", sorted(PERSONALITIES.keys() - {"echo"}))
async def test_the_key_is_in_no_message_repr_traceback_or_log(
    talk: ConnectTo, caplog: pytest.LogCaptureFixture, personality: str
) -> None:
    caplog.set_level(logging.DEBUG)
    client = talk(personality, max_retries=0, timeout_s=0.2)
    told = [repr(client), repr(client.endpoint), repr(vars(client))]
    try:
        told.append(repr(await client.complete(HI)))
    except RolloutError as error:
        assert error.__context__ is None, "aiohttp's errors hold the request's headers"
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        told += [repr(error), str(vars(error)), "".join(shown.format())]
    assert KEY not in "".join(told) + caplog.text


def test_a_key_that_is_not_set_is_named_by_its_variable() -> None:
    for environ in ({}, {"MY_KEY": ""}, {"MY_KEY": "  "}):
        with pytest.raises(UsageError, match="MY_KEY must hold"):
            ApiKey("MY_KEY", environ=environ)


def test_a_key_that_no_header_can_carry_is_refused_without_showing_it() -> None:
    with pytest.raises(UsageError, match="MY_KEY") as caught:
        ApiKey("MY_KEY", environ={"MY_KEY": "secret\r\nX-Other: 1"})
    assert "secret" not in str(caught.value)


def test_a_key_does_not_travel() -> None:
    with pytest.raises(TypeError, match="does not travel"):
        pickle.dumps(ApiKey("TEST_CHAT_KEY", environ=ENVIRON))


@given(before=st.text(max_size=400), after=st.text(max_size=400))
def test_a_quote_never_holds_the_key_and_is_never_long(before: str, after: str) -> None:
    quoted = ApiKey("TEST_CHAT_KEY", environ=ENVIRON).quote(before + KEY + after)
    assert KEY not in quoted
    assert len(quoted) <= MAX_QUOTE_CHARS
    assert quoted.isprintable() or "\n" not in quoted


@pytest.mark.parametrize(
    "echoed", ["sk-proj-abc***xyz", "gsk_a1b2c3d4e5", "Bearer whatever-it-is", "bearer x.y.z", "api-key: 0a1b"]
)
def test_what_looks_like_a_key_is_not_quoted_either(echoed: str) -> None:
    assert ApiKey("", environ={}).quote(f"bad: {echoed} !") == "bad: [key] !"
