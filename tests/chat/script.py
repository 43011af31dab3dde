"""A model that says what it was told to say, one reply after the other, and keeps what it is asked."""

from __future__ import annotations

from collections.abc import Mapping

from actors.chat_endpoint import Endpoint
from actors.chat_wire import ChatRequest, Reply
from rollouts.episode import PaidReply, ToolCall, Usage
from rollouts.errors import RolloutError
from tests.chat.samples import endpoint

ONE = Usage(prompt_tokens=10, completion_tokens=1, cost_usd=0.5, replies=(PaidReply(model="m", prompt_tokens=10),))
# of every reply


def said(
    text: str, *, calls: tuple[ToolCall, ...] = (), reasoning: str = "", first_token: Mapping[str, float] | None = None
) -> Reply:
    return Reply(
        text=text,
        tool_calls=calls,
        reasoning=reasoning,
        finish_reason="stop",
        usage=ONE,
        first_token=first_token or {},
    )


class Script:
    """Implements `actors.chat_asking.Completer`. An error in the place of a reply is raised."""

    def __init__(self, *replies: Reply | str | RolloutError, where: Endpoint | None = None) -> None:
        self._where = where or endpoint("http://127.0.0.1:1/v1", "m")
        self._replies = list(replies)
        self.asked: list[ChatRequest] = []

    @property
    def endpoint(self) -> Endpoint:
        return self._where

    async def complete(self, request: ChatRequest) -> Reply:
        self.asked.append(request)
        reply = self._replies.pop(0)
        if isinstance(reply, RolloutError):
            raise reply
        return said(reply) if isinstance(reply, str) else reply


def times(number: int) -> Usage:
    """What so many replies use."""
    return sum([ONE] * number, start=Usage(calls=0))


def last_words(request: ChatRequest) -> str:
    return str(request.messages[-1]["content"])
