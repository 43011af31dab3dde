"""Trying a task out in its environment: what the gold sequence does, and what doing nothing does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from actors.environments.blueprints.goals import Blueprint
from rollouts.episode import AssistantMessage, StopReason, ToolCall
from rollouts.protocols import Environment

S = TypeVar("S")


class Verifier(Generic[S]):
    def __init__(self, world: Environment[S]) -> None:
        self._world = world

    def objection(self, blueprint: Blueprint) -> str:
        """Why the task cannot be used; empty where all holds:

        no gold call is refused, every write changes the state, the gold is worth 1 with its goals in either order, and doing
        nothing is worth 0 exactly where something is to be written or told.
        """
        start = self._world.initial(blueprint.task)
        end, refused = self._played(start, blueprint.gold, writes={call.name for call in blueprint.writes})
        if refused:
            return refused
        backwards = [call for goal in reversed(blueprint.goals) for call in goal.writes]
        if self._value(end, blueprint.info) != 1.0:
            return "gold is not worth 1"
        if self._value(self._played(start, backwards, writes=set())[0], blueprint.info) != 1.0:
            return "goals hang on their order"
        nothing = 0.0 if blueprint.writes or blueprint.info else 1.0
        return "" if self._value(start, ()) == nothing else f"doing nothing is not worth {nothing:g}"

    def _played(self, state: S, calls: Iterable[ToolCall], *, writes: set[str]) -> tuple[S, str]:
        for call in calls:
            transition = self._world.apply(state, call)
            if transition.is_error:
                return state, f"{call.name} is refused"
            if call.name in writes and self._world.key(transition.state) == self._world.key(state):
                return state, f"{call.name} changes nothing"
            state = transition.state
        return state, ""

    def _value(self, state: S, told: Sequence[str]) -> float:
        conversation = (AssistantMessage(text="; ".join(told)),)
        return self._world.reward(state, conversation, StopReason.USER_STOP).value
