"""The actor and the simulated user as chat models. A reply that cannot be used is asked for again, then it is a failure.

An unusable reply is a model's slip at this sampling, not a property of the episode's state, so it never becomes an action:
a made-up action would be scored as the policy's. Each further ask has its own seed and names what was wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from actors.chat_endpoint import Endpoint
from actors.chat_messages import actor_messages, user_messages, wire_tools, with_correction
from actors.chat_wire import ChatRequest, MalformedCall, Reply
from rollouts.episode import Briefing, Conversation, Draft, ToolCall, ToolMessage, Usage
from rollouts.errors import FailureKind, RolloutError
from rollouts.seeds import derive_seed

MAX_ASKS = 3
# for one turn: models that slip once mostly recover at the next ask, and each ask is paid for


class Completer(Protocol):
    """What a chat policy needs of `ChatClient`."""

    @property
    def endpoint(self) -> Endpoint: ...

    async def complete(self, request: ChatRequest) -> Reply: ...


class ChatActor:
    """A tool-calling chat model as the customer-service agent."""

    def __init__(self, client: Completer) -> None:
        self._client = client

    @property
    def identity(self) -> str:
        return self._client.endpoint.identity

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """RolloutError(REJECTED), not fatal, when MAX_ASKS replies in a row were empty or had malformed tool calls."""
        request = ChatRequest(
            messages=actor_messages(conversation, briefing, feedback=feedback),
            tools=wire_tools(briefing.tools),
            seed=seed,
        )
        reply = await _usable(self._client, request, problem_of=_action_problem, kind=FailureKind.REJECTED)
        return _drafted(reply, conversation, with_calls=True)


class ChatUser:
    """A chat model as the customer. It reads nothing of the actor's tools; it has its own where the briefing gives it any."""

    def __init__(self, client: Completer) -> None:
        self._client = client

    @property
    def identity(self) -> str:
        return self._client.endpoint.identity

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """RolloutError(SIMULATOR) when MAX_ASKS replies in a row had no text and no usable call."""
        tools = wire_tools(briefing.user_tools)
        request = ChatRequest(messages=user_messages(conversation, briefing), tools=tools, seed=seed)
        problem_of = _action_problem if tools else _speech_problem
        return _drafted(
            await _usable(self._client, request, problem_of=problem_of, kind=FailureKind.SIMULATOR),
            conversation,
            with_calls=bool(tools),
        )


def _drafted(reply: Reply, conversation: Conversation, *, with_calls: bool) -> Draft:
    calls = [call for call in reply.tool_calls if isinstance(call, ToolCall)] if with_calls else []
    return Draft(
        text=reply.text.strip(),
        tool_calls=_with_own_ids(calls, conversation),
        reasoning=reply.reasoning,
        usage=reply.usage,
    )


async def _usable(
    client: Completer, request: ChatRequest, *, problem_of: Callable[[Reply], str], kind: FailureKind
) -> Reply:
    """The first usable reply, with the usage of all replies it took."""
    usage, problem, asked = Usage(calls=0), "", request
    for ask in range(MAX_ASKS):
        if problem:
            messages = with_correction(request.messages, problem)
            asked = replace(request, messages=messages, seed=derive_seed(request.seed or 0, "ask", ask))
        reply = await client.complete(asked)
        usage += reply.usage
        problem = problem_of(reply)
        if not problem:
            return replace(reply, usage=usage)
    raise RolloutError(f"the model gave no usable reply in {MAX_ASKS} asks; the last one: {problem}", kind=kind)


def _action_problem(reply: Reply) -> str:
    """Why the reply is no action; "" when it is one. The words go back to the model."""
    for call in reply.tool_calls:
        if isinstance(call, MalformedCall):
            return f"the tool call {call.name[:64]!r} is malformed: {call.problem}"
    return "" if reply.tool_calls else _speech_problem(reply)


def _speech_problem(reply: Reply) -> str:
    return "" if reply.text.strip() else _empty(reply)


def _empty(reply: Reply) -> str:
    return "it was cut off at max_tokens before any text" if reply.finish_reason == "length" else "it was empty"


def _with_own_ids(calls: Iterable[ToolCall], conversation: Conversation) -> tuple[ToolCall, ...]:
    """The calls under ids that no other call of the conversation has: endpoints leave ids out or start again at call_0."""
    speakers = [message for message in conversation if not isinstance(message, ToolMessage)]
    taken = {call.call_id for message in speakers for call in message.tool_calls}
    named: list[ToolCall] = []
    for call in calls:
        if not call.call_id or call.call_id in taken:
            call = replace(call, call_id=_free_id(taken))
        taken.add(call.call_id)
        named.append(call)
    return tuple(named)


def _free_id(taken: set[str]) -> str:
    number = len(taken)
    while (call_id := f"call_{number}") in taken:
        number += 1
    return call_id
