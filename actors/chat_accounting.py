"""What a reply cost: one call and its one paid reply, in tokens as the endpoint counted them. Pure."""

from __future__ import annotations

from actors.chat_endpoint import Endpoint
from actors.chat_wire import Decoded, Tokens
from rollouts.episode import PaidReply, Usage

_NOT_COUNTED = Tokens(prompt=0, completion=0)


def usage_of(decoded: Decoded, *, endpoint: Endpoint, attempts: int, wait_s: float, latency_s: float) -> Usage:
    """Without the endpoint's count, or without a price, the cost is unknown and never 0."""
    tokens = decoded.tokens or _NOT_COUNTED
    cost = _cost_usd(decoded.tokens, endpoint)
    paid = PaidReply(
        model=endpoint.model,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached,
        cost_usd=cost,
        finish_reason=decoded.endpoint_finish_reason,
        attempts=attempts,
        wait_s=wait_s,
        latency_s=latency_s,
    )
    return Usage(
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached,
        cost_usd=cost,
        replies=(paid,),
    )


def _cost_usd(tokens: Tokens | None, endpoint: Endpoint) -> float | None:
    if tokens is None or endpoint.price is None:
        return None
    return endpoint.price.cost_usd(
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.completion,
        cached_tokens=tokens.cached,
        cache_written_tokens=tokens.cache_written,
    )
