"""Calls to play: a task's gold sequence, and single calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from actors.environments.tau2.toolbox import SIDES
from rollouts.episode import AssistantMessage, Conversation, JsonValue, Side, Task, ToolCall, UserMessage


def call(name: str, arguments: Mapping[str, JsonValue]) -> ToolCall:
    return ToolCall(call_id="1", name=name, arguments=arguments)


def gold_steps(task: Task) -> list[tuple[Side, ToolCall]]:
    """The whole gold sequence of both sides, calculations and transfers included."""
    criteria = cast("Mapping[str, Any]", task.data["evaluation_criteria"])
    return [
        (SIDES[action.get("requestor", "assistant")], call(action["name"], action["arguments"]))
        for action in criteria["actions"] or ()
    ]


def gold_calls(task: Task) -> list[ToolCall]:
    return [made for _, made in gold_steps(task)]


def said(side: Side, made: ToolCall) -> Conversation:
    """The call, as it stands in a conversation."""
    message = UserMessage if side == "user" else AssistantMessage
    return (message(text="", tool_calls=(made,)),)
