"""Where an LLM answers and what it charges: plain picklable values. A key is here by the *name* of its variable only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from rollouts.errors import UsageError

WireProtocol: TypeAlias = Literal["openai", "anthropic"]
KeyHeader: TypeAlias = Literal["authorization", "api-key", "x-api-key"]

TOKENS_PER_PRICE = 1_000_000
MAX_TEMPERATURE: dict[WireProtocol, float] = {"openai": 2.0, "anthropic": 1.0}
PROTOCOL_KEY_HEADER: dict[WireProtocol, KeyHeader] = {"openai": "authorization", "anthropic": "x-api-key"}
_VARIABLE_NAME = re.compile(r"[A-Z_][A-Z0-9_]{0,99}")
# upper case only: a key pasted in place of a name is refused, and so never printed
_API_VERSION = re.compile(r"[A-Za-z0-9._-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens."""

    prompt_usd: float
    completion_usd: float
    cached_usd: float | None = None
    # prompt tokens read from the provider's cache; None: charged like the others
    cache_write_usd: float | None = None
    # prompt tokens put into it, where the endpoint counts them apart (Anthropic); None: charged like the others

    def __post_init__(self) -> None:
        for name in ("prompt_usd", "completion_usd", "cached_usd", "cache_write_usd"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"price {name} must be dollars for a million tokens, 0 or more; got {value}")

    def cost_usd(
        self, *, prompt_tokens: int, completion_tokens: int, cached_tokens: int, cache_written_tokens: int = 0
    ) -> float:
        """`cached_tokens` and `cache_written_tokens` are those of `prompt_tokens` that were read from or put into the cache."""
        cached_usd = self.prompt_usd if self.cached_usd is None else self.cached_usd
        written_usd = self.prompt_usd if self.cache_write_usd is None else self.cache_write_usd
        prompt = (prompt_tokens - cached_tokens - cache_written_tokens) * self.prompt_usd
        cache = cached_tokens * cached_usd + cache_written_tokens * written_usd
        return (prompt + cache + completion_tokens * self.completion_usd) / TOKENS_PER_PRICE


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One model at one address. UsageError for values that no call could work with."""

    base_url: str
    # openai: what comes before "/chat/completions", e.g. "https://api.openai.com/v1" or, for Azure,
    # "https://NAME.openai.azure.com/openai/deployments/NAME"; anthropic: e.g. "https://api.anthropic.com"
    model: str
    api_key_env: str
    # the NAME of the environment variable that holds the key; "" for a server that wants none
    temperature: float | None
    # None: not sent; the server decides
    max_tokens: int
    # of one reply
    timeout_s: float
    # of one attempt, from looking the name up to the last byte of the reply
    max_retries: int
    # further attempts after the first
    max_connections: int
    # at once; a call waits for one outside its deadline
    price: Price | None
    # None: unknown, and so is every cost
    connect_timeout_s: float = 10.0
    # name look-up, TCP and TLS; the part of timeout_s in which no model is at work
    first_byte_timeout_s: float | None = None
    # from the whole request being sent to the reply's first byte, and from each part of it to the next; no reply is
    # streamed, so the whole time in which a model writes falls into it; None: timeout_s alone counts
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    # the second name is what OpenAI's reasoning models insist on
    protocol: WireProtocol = "openai"
    key_header: Literal["auto"] | KeyHeader = "auto"
    # how the key is sent; auto: as the protocol has it (a bearer token in authorization, or x-api-key); Azure: api-key
    api_version: str = ""
    # sent as ?api-version= (Azure); "": not sent
    offers_prompt_cache_key: bool = False
    # whether the endpoint takes prompt_cache_key; others refuse a field that they do not know

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        if not self.model:
            raise UsageError("model must name the model to ask for, as the endpoint lists it; got an empty string")
        if self.api_key_env and not _VARIABLE_NAME.fullmatch(self.api_key_env):
            raise UsageError(
                "api_key_env must be the name of an environment variable (capitals, digits, underscores; at most 100), "
                "e.g. OPENAI_API_KEY, never the key itself; what came is not shown, because it may be a key"
            )
        if not _API_VERSION.fullmatch(self.api_version):
            raise UsageError("api_version must be a version such as 2024-10-21 (letters, digits, '.', '_', '-')")
        highest = MAX_TEMPERATURE[self.protocol]
        if self.temperature is not None and not 0 <= self.temperature <= highest:
            raise UsageError(f"temperature must be between 0 and {highest:g}, got {self.temperature}")
        for name, least in (("max_tokens", 1), ("max_retries", 0), ("max_connections", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} must be at least {least}, got {getattr(self, name)}")
        for name in ("timeout_s", "connect_timeout_s", "first_byte_timeout_s"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 < seconds < float("inf"):
                raise UsageError(f"{name} must be a number of seconds above 0, got {seconds}")

    @property
    def identity(self) -> str:
        """What decides the words, wherever the model is served: the rows name a policy by it."""
        temperature = "default" if self.temperature is None else f"{self.temperature:g}"
        return f"chat:{self.model}/temperature={temperature}/max_tokens={self.max_tokens}"

    @property
    def sent_key_header(self) -> KeyHeader:
        return PROTOCOL_KEY_HEADER[self.protocol] if self.key_header == "auto" else self.key_header

    @property
    def takes_seed(self) -> bool:
        """Whether a request's seed is sent. The Anthropic protocol has none: the same question may be answered differently."""
        return self.protocol == "openai"

    @property
    def gives_logprobs(self) -> bool:
        """Whether the protocol has log-probabilities; a request for them is refused where it has none."""
        return self.protocol == "openai"

    def url(self, path: str) -> str:
        """The address of `path` (it begins with a slash) at this endpoint."""
        query = f"?api-version={self.api_version}" if self.api_version else ""
        return self.base_url.rstrip("/") + path + query


def _check_url(url: str) -> None:
    """UsageError unless `url` is an http(s) address and nothing more; a URL with a password in it is not quoted."""
    example = "e.g. http://127.0.0.1:8000/v1"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError as error:
        raise UsageError(f"base_url cannot be read as a URL ({error}); {example}") from None
    if parts.username or parts.password:
        raise UsageError("base_url must hold no user name or password; name the key's variable in api_key_env")
    if parts.query or parts.fragment:
        raise UsageError(
            f"base_url must end with its path, without '?' or '#'; {example}; Azure's api-version goes into api_version"
        )
    readable = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not parts.hostname or not readable:
        raise UsageError(f"base_url must be an http:// or https:// address, {example}; got {url!r}")
