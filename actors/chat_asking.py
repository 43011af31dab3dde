"""One turn's question to a model: asked until the reply can be used, a few times at most, and every reply accounted for.

A reply that cannot be used is a model's slip at this sampling, not a property of the episode's state, so it never becomes an
action: a made-up action would be scored as the policy's. Each further ask has its own seed and names what was wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

from actors.chat_endpoint import Endpoint
from actors.chat_messages import with_correction
from actors.chat_wire import ChatRequest, Reply
from actors.paid import UNPAID, paid_before
from rollouts.episode import Usage
from rollouts.errors import FailureKind, RolloutError
from rollouts.seeds import derive_seed

R = TypeVar("R")

MAX_ASKS = 3
# for one turn: models that slip once mostly recover at the next ask, and each ask is paid for


class Completer(Protocol):
    """What a chat policy needs of `ChatClient`."""

    @property
    def endpoint(self) -> Endpoint: ...

    async def complete(self, request: ChatRequest) -> Reply: ...


class Unusable(ValueError):
    """Why a reply cannot be used; the words go back to the model."""


async def ask_until_usable(
    client: Completer,
    request: ChatRequest,
    *,
    read: Callable[[Reply], R],
    kind: FailureKind,
    spent: Usage = UNPAID,
) -> tuple[R, Usage]:
    """What `read` made of the first usable reply, and the usage of all replies it took, added to `spent`.

    `read` raises Unusable. RolloutError(kind), not fatal, when MAX_ASKS replies in a row were unusable; every RolloutError
    carries the usage of the replies before it.
    """
    usage, problem, asked = spent, "", request
    for ask in range(MAX_ASKS):
        if problem:
            messages = with_correction(request.messages, problem)
            asked = replace(request, messages=messages, seed=derive_seed(request.seed or 0, "ask", ask))
        with paid_before(usage):
            reply = await client.complete(asked)
        usage += reply.usage
        try:
            return read(reply), usage
        except Unusable as unusable:
            problem = str(unusable)
    gave_up = f"the model gave no usable reply in {MAX_ASKS} asks; the last one: {problem}"
    raise RolloutError(gave_up, kind=kind, usage=usage)


def with_words(reply: Reply) -> Reply:
    """The reply, if it says anything."""
    if reply.text.strip():
        return reply
    cut_off = reply.finish_reason == "length"
    raise Unusable("it was cut off at max_tokens before any text" if cut_off else "it was empty")
