"""What an endpoint's description refuses, and that it travels."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from actors.chat_codec import codec_of
from actors.chat_endpoint import Price
from rollouts.errors import UsageError
from tests.chat.samples import endpoint

GOOD: dict[str, Any] = {"base_url": "http://127.0.0.1:8000/v1", "model": "m"}


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("base_url", "api.openai.com/v1", "http:// or https://"),
        ("base_url", "ftp://host/v1", "http:// or https://"),
        ("base_url", "", "http:// or https://"),
        ("base_url", "http://", "http:// or https://"),
        ("base_url", "http://host:port/v1", "cannot be read"),
        ("base_url", "https://host/v1?api-version=1", "goes into api_version"),
        ("base_url", "https://host/v1 ", "http:// or https://"),
        ("model", "", "model must name"),
        ("temperature", -0.1, "between 0 and 2"),
        ("temperature", float("nan"), "between 0 and 2"),
        ("max_tokens", 0, "max_tokens must be at least 1"),
        ("max_retries", -1, "max_retries must be at least 0"),
        ("max_connections", 0, "max_connections must be at least 1"),
        ("timeout_s", 0.0, "above 0"),
        ("connect_timeout_s", float("inf"), "above 0"),
        ("first_byte_timeout_s", 0.0, "above 0"),
        ("api_version", "1&key=x", "api_version must be"),
    ],
)
def test_a_value_that_no_call_could_work_with_is_refused(field: str, value: object, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        endpoint(**{**GOOD, field: value})


def test_a_key_given_in_place_of_its_variables_name_is_refused_and_not_shown() -> None:
    for secret in ("sk-abcdef0123456789", "gsk_abcdef0123", "0123456789abcdef"):
        with pytest.raises(UsageError, match="api_key_env must be the name") as caught:
            endpoint(**GOOD, api_key_env=secret)
        assert secret not in str(caught.value)


def test_a_password_in_the_address_is_refused_and_not_shown() -> None:
    with pytest.raises(UsageError, match="no user name or password") as caught:
        endpoint(base_url="https://me:hunter2@host/v1", model="m")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("base_url", ["https://host/v1", "https://host/v1/"])
def test_the_address_may_end_with_a_slash(base_url: str) -> None:
    assert codec_of(endpoint(base_url=base_url, model="m")).url == "https://host/v1/chat/completions"


def test_an_api_version_is_part_of_the_address() -> None:
    azure = endpoint(base_url="https://host/openai/deployments/d", model="m", api_version="2024-10-21")
    assert codec_of(azure).url == "https://host/openai/deployments/d/chat/completions?api-version=2024-10-21"


def test_the_anthropic_protocol_has_a_lower_highest_temperature() -> None:
    assert endpoint(**GOOD, protocol="anthropic", temperature=1.0).sent_key_header == "x-api-key"
    with pytest.raises(UsageError, match="between 0 and 1"):
        endpoint(**GOOD, protocol="anthropic", temperature=1.5)


def test_a_description_travels_and_equal_ones_are_one() -> None:
    described = endpoint(**GOOD, price=Price(prompt_usd=1.0, completion_usd=2.0))
    copy = pickle.loads(pickle.dumps(described))  # noqa: S301 - our own bytes
    assert len({described, copy}) == 1


def test_an_identity_names_what_decides_the_words_and_not_where() -> None:
    here = endpoint("http://a/v1", "m", api_key_env="KEY_A")
    assert here.identity == endpoint("http://b/v1", "m").identity == "chat:m/temperature=1/max_tokens=1024"
    others = [endpoint("http://a/v1", "m", temperature=0.5), endpoint("http://a/v1", "m", max_tokens=9)]
    assert here.identity not in [other.identity for other in others]
    assert endpoint("http://a/v1", "m", temperature=None).identity == "chat:m/temperature=default/max_tokens=1024"


def test_cached_tokens_cost_like_others_unless_they_have_a_price() -> None:
    tokens = {"prompt_tokens": 1_000_000, "completion_tokens": 0, "cached_tokens": 500_000}
    assert Price(prompt_usd=2.0, completion_usd=0.0).cost_usd(**tokens) == 2.0
    assert Price(prompt_usd=2.0, completion_usd=0.0, cached_usd=1.0).cost_usd(**tokens) == 1.5


def test_a_negative_or_meaningless_price_is_refused() -> None:
    for value in (-1.0, float("nan"), float("inf")):
        for name in ("prompt_usd", "cached_usd", "cache_write_usd"):
            with pytest.raises(UsageError, match=f"{name} must be dollars for a million"):
                Price(**{"prompt_usd": 1.0, "completion_usd": 1.0, name: value})
