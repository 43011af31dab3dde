"""A chat model without tool calling as the customer-service agent: it thinks and acts in text, and the text is parsed strictly.

One reply is one thought and one action, a tool call or a message. Only what the action says reaches anybody: the thought is the
draft's reasoning, and a reply that does not keep to the form is asked for again, never shown. After ReAct (arXiv 2210.03629).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import orjson

from actors.chat_asking import Completer, Unusable, ask_until_usable, with_words
from actors.chat_endpoint import Endpoint
from actors.chat_messages import cache_key, review_note
from actors.chat_policy import with_own_ids
from actors.chat_untrusted import tool_call
from actors.chat_wire import ChatRequest, MalformedCall, Reply, WireMessage
from labeling.by_identity import ByIdentity
from labeling.quoting import quoted_lines
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    Message,
    ToolCall,
    ToolMessage,
    ToolSpec,
    UserMessage,
    seen_by_actor,
)
from rollouts.errors import FailureKind

REACT_PROMPT = "react-1"
# version of the texts below; another form makes another actor

_FORM = """\
# How you act

You act in text. Every reply of yours is one thought and one action, in one of these two forms, with nothing after the action:

Thought: what you know, what the policy asks for, what to do next
Action: {"tool":"name of a tool","arguments":{...}}

Thought: what you know, what the policy asks for, what to do next
Action: {"say":"your message to the customer"}

Nobody but you reads the thought; the customer reads what is in "say" and nothing else. The action is one JSON object, and the \
arguments follow the JSON Schema of the tool. What a tool answers is told to you in the next message, which begins with \
"Observation"; what the customer says is in a message that begins with "Customer". Never write either of them yourself. Your \
earlier thoughts are not repeated to you.

# Tools, one JSON object a line

"""
_ACTION = re.compile(r"^Action:", re.MULTILINE)
_FENCED = re.compile(r"```(?:json)?\n(.*)\n```", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Say:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReActTurn:
    """What one reply says."""

    thought: str
    action: Say | ToolCall
    # the call has no id yet


def react_identity(endpoint: Endpoint) -> str:
    """What decides the actions: the rows name an actor by it."""
    return f"{endpoint.identity}/prompt={REACT_PROMPT}"


class ReActActor:
    """Implements `rollouts.protocols.Policy`."""

    def __init__(self, client: Completer) -> None:
        self._client = _TakingTurns(client)

    @property
    def identity(self) -> str:
        return react_identity(self._client.endpoint)

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """RolloutError(REJECTED), not fatal, when MAX_ASKS replies in a row did not keep to the form."""
        request = ChatRequest(
            messages=react_messages(conversation, briefing, feedback=feedback),
            tools=[],
            seed=seed,
            cache_key=cache_key(briefing.policy, conversation),
        )
        (turn, beside), usage = await ask_until_usable(self._client, request, read=_read, kind=FailureKind.REJECTED)
        reasoning = "\n\n".join(filter(None, (beside, turn.thought)))
        match turn.action:
            case Say(text=text):
                return Draft(text=text, reasoning=reasoning, usage=usage)
            case ToolCall() as call:
                return Draft(text="", tool_calls=with_own_ids([call], conversation), reasoning=reasoning, usage=usage)
            case _:
                assert_never(turn.action)


class _TakingTurns:
    """A client for models whose chat template insists that the two sides take turns: neighbours of one role are one message."""

    def __init__(self, client: Completer) -> None:
        self._client = client

    @property
    def endpoint(self) -> Endpoint:
        return self._client.endpoint

    async def complete(self, request: ChatRequest) -> Reply:
        messages: list[WireMessage] = []
        for message in request.messages:
            if messages and messages[-1]["role"] == message["role"]:
                message = {**message, "content": f"{messages.pop()['content']}\n\n{message['content']}"}
            messages.append(message)
        return await self._client.complete(replace(request, messages=messages))


# -- the question -----------------------------------------------------------------------------------------------------


def react_messages(
    conversation: Conversation, briefing: Briefing, *, feedback: Sequence[str] = ()
) -> list[WireMessage]:
    """What the actor sees, in the form that it is to answer in; each message begins with who speaks."""
    messages: list[WireMessage] = [{"role": "system", "content": f"{briefing.policy}\n\n{_form(briefing.tools)}"}]
    messages += [_wired(message) for message in seen_by_actor(conversation)]
    if feedback:
        messages.append(review_note(feedback))
    return messages


_form: ByIdentity[tuple[ToolSpec, ...], str] = ByIdentity(
    lambda tools: (
        _FORM + quoted_lines({"name": t.name, "description": t.description, "parameters": t.parameters} for t in tools)
    )
)


def _wired(message: Message) -> WireMessage:
    match message:
        case UserMessage():
            return {"role": "user", "content": f"Customer: {message.text}"}
        case AssistantMessage():
            return {"role": "assistant", "content": "\n".join(_lines(message))}
        case ToolMessage():
            failed = " (an error)" if message.is_error else ""
            return {"role": "user", "content": f"Observation from {message.name}{failed}: {message.content}"}
        case _:
            assert_never(message)


def _lines(message: AssistantMessage) -> Iterator[str]:
    if not message.tool_calls:
        yield _action({"say": message.text})
    elif message.text:
        yield f"Thought: {message.text}"
    for call in message.tool_calls:
        yield _action({"tool": call.name, "arguments": call.arguments})


def _action(record: Mapping[str, object]) -> str:
    return f"Action: {orjson.dumps(record, default=dict).decode()}"


# -- the answer -------------------------------------------------------------------------------------------------------


def _read(reply: Reply) -> tuple[ReActTurn, str]:
    """The turn, and the reasoning that the endpoint gave beside it."""
    return read_turn(with_words(reply).text), reply.reasoning


def read_turn(text: str) -> ReActTurn:
    """What `text` says, if it keeps to the form; a code fence around the action is allowed. Unusable says what is wrong."""
    actions = [*_ACTION.finditer(text)]
    if len(actions) != 1:
        raise Unusable(f'one line has to begin with "Action:", and {len(actions)} do')
    thought, body = text[: actions[0].start()].strip(), text[actions[0].end() :].strip()
    fenced = _FENCED.fullmatch(body)
    try:
        record = orjson.loads(fenced[1] if fenced else body)
    except orjson.JSONDecodeError as error:
        raise Unusable(f'what follows "Action:" is not one JSON object and nothing else ({error})') from None
    return ReActTurn(thought=thought.removeprefix("Thought:").strip(), action=_stated_action(record))


def _stated_action(record: object) -> Say | ToolCall:
    match record:
        case {"say": str(text), **rest} if text.strip() and not rest:
            return Say(text=text.strip())
        case {"tool": name, "arguments": dict(arguments), **rest} if not rest:
            call = tool_call(name=name, call_id=None, given=arguments)
            if isinstance(call, MalformedCall):
                raise Unusable(f"the tool call {call.name[:64]!r} is malformed: {call.problem}")
            return call
        case _:
            raise Unusable(
                'the action has to be {"tool":"...","arguments":{...}} or {"say":"..."}, with nothing beside it'
            )
