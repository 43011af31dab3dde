"""True values of scripted play, by brute force over the finite distributions of actor and user.

The rules are those of a play without a critic: tool calls of a draft are applied in order and answered, a draft of words is
answered by the user, a stop ends the episode with its reward, and so does the last allowed turn of the actor.
Places where environment, actor and user stand alike have one value, computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from actors.scripted import ScriptedActor, ScriptedUser
from rollouts.episode import (
    AssistantMessage,
    Conversation,
    Draft,
    StopReason,
    Task,
    ToolMessage,
    UserMessage,
)
from rollouts.protocols import Cast, Environment

S = TypeVar("S")


def exact_value(
    environment: Environment[S],
    cast: Cast,
    task: Task,
    conversation: Conversation,
    state: S,
    max_steps: int,
) -> float:
    """V(s): expected return when it is the actor's turn and it has `max_steps` turns left."""
    return ExactValues(environment, cast, task).value(conversation, state, max_steps)


def exact_action_value(
    environment: Environment[S],
    cast: Cast,
    task: Task,
    conversation: Conversation,
    state: S,
    max_steps: int,
    draft: Draft,
) -> float:
    """Q(s, a): expected return when the actor's next action is `draft`, the first of its `max_steps` turns."""
    return ExactValues(environment, cast, task).action_value(conversation, state, max_steps, draft)


class ExactValues(Generic[S]):
    """The values of one task; what has been computed is kept for the next question."""

    def __init__(self, environment: Environment[S], cast: Cast, task: Task) -> None:
        assert isinstance(cast.actor, ScriptedActor), "only a scripted actor's distribution is known"
        assert isinstance(cast.user, ScriptedUser), "only a scripted user's distribution is known"
        self._environment = environment
        self._actor = cast.actor
        self._user = cast.user
        self._briefing = environment.briefing(task)
        self._initial = environment.initial(task)
        self._known: dict[Hashable, float] = {}

    def start(self, max_steps: int) -> float:
        """Expected return of a play from its beginning: the user opens, then the actor has `max_steps` turns."""
        return self._after_words((), self._initial, max_steps + 1)

    def value(self, conversation: Conversation, state: S, steps: int) -> float:
        def compute() -> float:
            if steps == 0:
                return self._reward(state, conversation, StopReason.TURN_LIMIT)
            drafts = self._actor.outcomes(conversation, self._briefing)
            return sum(p * self.action_value(conversation, state, steps, draft) for p, draft in drafts)

        return self._once(conversation, state, steps, compute)

    def action_value(self, conversation: Conversation, state: S, steps: int, draft: Draft) -> float:
        conversation = (*conversation, AssistantMessage(text=draft.text, tool_calls=draft.tool_calls))
        if not draft.tool_calls:
            return self._after_words(conversation, state, steps)
        for call in draft.tool_calls:
            after = self._environment.apply(state, call)
            state = after.state
            answer = ToolMessage(call_id=call.call_id, name=call.name, content=after.content, is_error=after.is_error)
            conversation = (*conversation, answer)
            if after.stop:
                return self._reward(state, conversation, after.stop)
        return self.value(conversation, state, steps - 1)

    def _after_words(self, conversation: Conversation, state: S, steps: int) -> float:
        """The user's turn; the actor had `steps` turns left before it spoke."""
        total = 0.0
        for probability, reply in self._user.outcomes(conversation, self._briefing):
            answered = (*conversation, UserMessage(text=reply.text))
            stop = self._environment.user_stop(reply.text)
            value = self._reward(state, answered, stop) if stop else self.value(answered, state, steps - 1)
            total += probability * value
        return total

    def _once(self, conversation: Conversation, state: S, steps: int, compute: Callable[[], float]) -> float:
        actor = self._actor.memory(conversation, self._briefing)
        key = (self._environment.key(state), actor, self._user.memory(conversation), steps)
        if key not in self._known:
            self._known[key] = compute()
        return self._known[key]

    def _reward(self, state: S, conversation: Conversation, stop: StopReason) -> float:
        return self._environment.reward(state, conversation, stop).value
