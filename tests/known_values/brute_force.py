"""True values by enumerating whole conversations: nothing is remembered, nothing known but protocols and listed outcomes.

The rules are those of `rollouts.play` without a critic and without a turn limit, calls of the user's own included.
"""

from __future__ import annotations

from typing import Any

from actors.environments.known_values import KnownActor, KnownUser
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    Side,
    StopReason,
    Task,
    ToolMessage,
    UserMessage,
)
from rollouts.protocols import Environment


class BruteForce:
    def __init__(self, environment: Environment[Any], task: Task) -> None:
        self._environment = environment
        self._actor, self._user = KnownActor(task), KnownUser(task)
        self._briefing: Briefing = environment.briefing(task)
        self._initial = environment.initial(task)

    def start(self) -> float:
        return self._user_turn((), self._initial)

    def value(self, conversation: Conversation, state: Any) -> float:
        outcomes = self._actor.outcomes(conversation, self._briefing)
        return sum(p * self.action_value(conversation, state, draft) for p, draft in outcomes)

    def action_value(self, conversation: Conversation, state: Any, draft: Draft) -> float:
        said = (*conversation, AssistantMessage(text=draft.text, tool_calls=draft.tool_calls))
        if not draft.tool_calls:
            return self._user_turn(said, state)
        after, state, stop = self._called(said, state, draft, "actor")
        return self._reward(state, after, stop) if stop else self.value(after, state)

    def _user_turn(self, conversation: Conversation, state: Any) -> float:
        outcomes = self._user.outcomes(conversation, self._briefing)
        return sum(p * self._user_does(conversation, state, draft) for p, draft in outcomes)

    def _user_does(self, conversation: Conversation, state: Any, draft: Draft) -> float:
        said = (*conversation, UserMessage(text=draft.text, tool_calls=draft.tool_calls))
        if draft.tool_calls:
            after, state, stop = self._called(said, state, draft, "user")
            return self._reward(state, after, stop) if stop else self._user_turn(after, state)
        stop = self._environment.user_stop(draft.text)
        return self._reward(state, said, stop) if stop else self.value(said, state)

    def _called(
        self, conversation: Conversation, state: Any, draft: Draft, side: Side
    ) -> tuple[Conversation, Any, StopReason | None]:
        for call in draft.tool_calls:
            done = self._environment.apply(state, call, side=side)
            state = done.state
            answer = ToolMessage(
                call_id=call.call_id, name=call.name, content=done.content, is_error=done.is_error, side=side
            )
            conversation = (*conversation, answer)
            if done.stop:
                return conversation, state, done.stop
        return conversation, state, None

    def _reward(self, state: Any, conversation: Conversation, stop: StopReason) -> float:
        return self._environment.reward(state, conversation, stop).value
