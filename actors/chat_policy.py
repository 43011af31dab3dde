"""The actor and the simulated user as chat models."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from actors.chat_asking import Completer, Unusable, ask_until_usable, with_words
from actors.chat_endpoint import Endpoint
from actors.chat_messages import actor_messages, cache_key, user_messages, wire_tools
from actors.chat_reflection import REFLECTION_PROMPT, going_on, reflection, unmet_goals
from actors.chat_wire import ChatRequest, MalformedCall, Reply
from actors.paid import UNPAID, paid_before
from rollouts.episode import Briefing, Conversation, Draft, ToolCall, ToolMessage, Usage
from rollouts.errors import FailureKind


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
            cache_key=cache_key(briefing.policy, conversation),
        )
        reply, usage = await ask_until_usable(self._client, request, read=_action, kind=FailureKind.REJECTED)
        return _drafted(reply, usage, conversation)


def never(text: str) -> bool:
    """No message ends anything."""
    return False


def user_identity(endpoint: Endpoint, *, reflects: bool) -> str:
    """What decides the user's words: the rows name it by it."""
    return f"{endpoint.identity}/prompt={REFLECTION_PROMPT}" if reflects else endpoint.identity


class ChatUser:
    """A chat model as the customer. It reads nothing of the actor's tools; it has its own where the briefing gives it any.

    A message for which `reflect_before` is true (one that ends the episode) is thought over once: has the customer dealt with
    everything it came for? If not, it is asked for another message, and that one stands.
    """

    def __init__(self, client: Completer, *, reflect_before: Callable[[str], bool] = never) -> None:
        self._client = client
        self._reflect_before = reflect_before

    @property
    def identity(self) -> str:
        return user_identity(self._client.endpoint, reflects=self._reflect_before is not never)

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """RolloutError(SIMULATOR) when MAX_ASKS replies in a row had no text and no usable call."""
        request = ChatRequest(
            messages=user_messages(conversation, briefing),
            tools=wire_tools(briefing.user_tools),
            seed=seed,
            cache_key=cache_key(briefing.user_instructions, conversation),
        )
        reply, usage = await self._answer(request)
        if not reply.tool_calls and self._reflect_before(reply.text):
            reply, usage = await self._thought_over(request, reply, usage)
        return _drafted(reply, usage, conversation)

    async def _answer(self, request: ChatRequest, spent: Usage = UNPAID) -> tuple[Reply, Usage]:
        read = _action if request.tools else _speech
        return await ask_until_usable(self._client, request, read=read, kind=FailureKind.SIMULATOR, spent=spent)

    async def _thought_over(self, request: ChatRequest, last: Reply, usage: Usage) -> tuple[Reply, Usage]:
        """`last`, or what the customer says instead; an answer that cannot be read lets `last` stand."""
        with paid_before(usage):
            answer = await self._client.complete(reflection(request, last.text))
        usage += answer.usage
        unmet = unmet_goals(answer.text)
        return await self._answer(going_on(request, last.text, unmet), usage) if unmet else (last, usage)


def _drafted(reply: Reply, usage: Usage, conversation: Conversation) -> Draft:
    calls = [call for call in reply.tool_calls if isinstance(call, ToolCall)]
    return Draft(
        text=reply.text.strip(),
        tool_calls=with_own_ids(calls, conversation),
        reasoning=reply.reasoning,
        usage=usage,
    )


def _action(reply: Reply) -> Reply:
    for call in reply.tool_calls:
        if isinstance(call, MalformedCall):
            raise Unusable(f"the tool call {call.name[:64]!r} is malformed: {call.problem}")
    return reply if reply.tool_calls else with_words(reply)


def _speech(reply: Reply) -> Reply:
    """Of somebody without tools: calls are not even looked at."""
    return replace(with_words(reply), tool_calls=())


def with_own_ids(calls: Iterable[ToolCall], conversation: Conversation) -> tuple[ToolCall, ...]:
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
