"""Calls to play: a task's gold sequence, and single calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from rollouts.episode import JsonValue, Task, ToolCall


def call(name: str, arguments: Mapping[str, JsonValue]) -> ToolCall:
    return ToolCall(call_id="1", name=name, arguments=arguments)


def gold_calls(task: Task) -> list[ToolCall]:
    """The whole gold sequence, calculations and transfers included."""
    criteria = cast("Mapping[str, Any]", task.data["evaluation_criteria"])
    return [call(action["name"], action["arguments"]) for action in criteria["actions"] or ()]
