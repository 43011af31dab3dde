"""Calls of either side, and turns of the user's side with given answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from actors.environments.userbench.environment import TravelEnvironment, TravelState
from rollouts.episode import JsonValue, ToolCall


def call(name: str, **arguments: JsonValue) -> ToolCall:
    return ToolCall(call_id="1", name=name, arguments=arguments)


def answers(*replies: str | int) -> list[ToolCall]:
    """A text replies, a number is drawn."""
    return [call("draw", index=r) if isinstance(r, int) else call("reply", text=r) for r in replies]


def turn(
    travel: TravelEnvironment, state: TravelState, message: str, *replies: str | int
) -> tuple[TravelState, list[dict[str, Any]]]:
    """The state after a message and the answers to it, and what each call was told."""
    told: list[dict[str, Any]] = []
    for made in (call("hear", message=message), *answers(*replies)):
        transition = travel.apply(state, made, side="user")
        assert not transition.is_error, transition.content
        state = transition.state
        told.append(json.loads(transition.content))
    return state, told


def judged(kind: str, preference: str = "") -> str:
    return json.dumps({"type": kind, "preference_id": preference})


def spoken(text: str) -> str:
    return json.dumps({"thought": "…", "response": text})


def searched(aspect: str) -> str:
    return json.dumps({"alignment_judgement": "True", "alignment_aspect": aspect})


def shown(told: Sequence[dict[str, Any]]) -> str:
    """What the actor gets to read of a turn."""
    text: str = told[-1]["say"]
    return text
