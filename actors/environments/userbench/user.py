"""The user's side of a travel conversation: carries the actor's messages to the rules, and answers what they ask.

A turn is `hear`, then an answer to each question, then what the rules say. Only a question with a prompt takes a model; the
prompts are upstream's, made by upstream's code, and each is a call of its own without any memory, as upstream's are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Protocol, TypeAlias

from actors.chat_asking import Completer, Unusable, ask_until_usable
from actors.chat_messages import cache_key
from actors.chat_wire import ChatRequest, Reply
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    JsonValue,
    Task,
    ToolCall,
    ToolMessage,
    Usage,
)
from rollouts.errors import FailureKind, RolloutError

Ask: TypeAlias = Literal["judge_search", "judge_message", "speak"]
NO_MODEL = Usage(calls=0)
# of a turn that the rules alone decide
WANTED: Mapping[Ask, str] = {"judge_search": "alignment_judgement", "judge_message": "type", "speak": "response"}
# the key that upstream cannot do without in the reply's JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What the rules ask a model."""

    ask: Ask
    system: str
    user: str
    heard: str
    # the actor's message that it is about
    preferences: tuple[str, ...]
    # ids: those that may be asked for (judge_message), those to tell (speak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    text: str
    usage: Usage
    reasoning: str = ""


class Answerer(Protocol):
    async def answer(self, prompt: Prompt, *, seed: int) -> Answered:
        """A reply with the JSON that the prompt asks for. RolloutError when none can be had."""


class TravelUser:
    """Implements `rollouts.protocols.Policy` for the user of one task."""

    def __init__(self, task: Task, answerer: Answerer, *, identity: str) -> None:
        self._opening = str(task.data["initial_description"])
        self._answerer = answerer
        self._identity = identity

    @property
    def identity(self) -> str:
        return self._identity

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """RolloutError(SIMULATOR) when a question cannot be answered, or an answer is refused."""
        if not conversation:
            return Draft(text=self._opening, usage=NO_MODEL)
        match conversation[-1]:
            case AssistantMessage(text=text):
                return _call("hear", {"message": text}, conversation)
            case ToolMessage(side="user", is_error=False, content=content):
                return await self._go_on(json.loads(content), conversation, seed=seed)
            case other:
                problem = (
                    f"the user's side cannot go on after {type(other).__name__}: {getattr(other, 'content', '')[:200]}"
                )
                raise RolloutError(problem, kind=FailureKind.SIMULATOR)

    async def _go_on(self, told: Mapping[str, Any], conversation: Conversation, *, seed: int) -> Draft:
        match told:
            case {"say": str() as text}:
                return Draft(text=text, usage=NO_MODEL)
            case {"draw": int() as options}:
                return _call("draw", {"index": seed % options}, conversation)
            case _:
                answered = await self._answerer.answer(_prompt(told, conversation), seed=seed)
                draft = _call("reply", {"text": answered.text}, conversation)
                return replace(draft, usage=answered.usage, reasoning=answered.reasoning)


def _prompt(told: Mapping[str, Any], conversation: Conversation) -> Prompt:
    heard = next(m.text for m in reversed(conversation) if isinstance(m, AssistantMessage) and not m.tool_calls)
    return Prompt(
        ask=told["ask"],
        system=told["system"],
        user=told["user"],
        heard=heard,
        preferences=tuple(told["preferences"]),
    )


def _call(name: str, arguments: Mapping[str, JsonValue], conversation: Conversation) -> Draft:
    """A call under an id that no other call of the user's has."""
    made = sum(isinstance(message, ToolMessage) and message.side == "user" for message in conversation)
    call = ToolCall(call_id=f"user_{made}", name=name, arguments=arguments)
    return Draft(text="", tool_calls=(call,), usage=NO_MODEL)


# -- a model that answers ---------------------------------------------------------------------------------------------


class ChatAnswerer:
    """A chat model, asked anew for each prompt."""

    def __init__(self, client: Completer) -> None:
        self._client = client

    async def answer(self, prompt: Prompt, *, seed: int) -> Answered:
        """RolloutError(SIMULATOR) when MAX_ASKS replies in a row were not the JSON that the prompt asks for."""
        messages: list[dict[str, JsonValue]] = [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": prompt.user},
        ]
        request = ChatRequest(messages=messages, tools=[], seed=seed, cache_key=cache_key(prompt.system, ()))
        read = partial(_read, wanted=WANTED[prompt.ask])
        (text, reasoning), usage = await ask_until_usable(self._client, request, read=read, kind=FailureKind.SIMULATOR)
        return Answered(text=text, usage=usage, reasoning=reasoning)


def _read(reply: Reply, *, wanted: str) -> tuple[str, str]:
    """Text and reasoning of a reply with the JSON that was asked for."""
    if problem := _problem(reply.text, wanted):
        raise Unusable(problem)
    return reply.text.strip(), reply.reasoning


def _problem(text: str, wanted: str) -> str:
    """Why the reply is not what the prompt asks for; "" when it is. The words go back to the model."""
    try:
        found = json.loads(text[text.find("{") : text.rfind("}") + 1])
    except (ValueError, RecursionError):
        return "it holds no JSON object"
    return "" if isinstance(found, dict) and wanted in found else f"its JSON object has no key {wanted!r}"
