"""Calling upstream's unmodified tools on an immutable state.

The answer is upstream's word for word (tau_bench/envs/base.py, `Env.step`): what a tool raises because of its arguments is
"Error: …", and what it had changed before stays changed. Three of its accidents are closed: a calculation without end, an
answer that is no text, and arguments that the database keeps by reference.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from actors.environments.tau_bench.calculator import too_big
from actors.environments.tau_bench.domains import Domain
from actors.environments.tau_bench.frozen import FrozenWrite
from actors.environments.tau_bench.overlay import Image, Overlay
from actors.environments.tau_bench.settling import settled
from actors.environments.tau_bench.views import View, Views
from rollouts.episode import JsonValue, ToolCall, ToolSpec

CALCULATOR = "calculate"
ARGUMENT_DEPTH = 32
# no tool's schema goes deeper than 3; a few hundred levels cannot be serialised any more
REFUSALS = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)
# what Python raises for arguments of the wrong number, type, shape or size


class Toolbox:
    """The tools of one domain over its base image."""

    def __init__(self, domain: Domain, *, image: Image, tools: Mapping[str, Any]) -> None:
        """`tools`: upstream's tool classes by name."""
        self.image = image
        self._views = Views(image, unwritten=domain.unwritten)
        self._domain = domain
        self._tools = tools
        self.specs = tuple(_spec(tool.get_info()["function"], domain) for tool in tools.values())

    def call(self, call: ToolCall, overlay: Overlay) -> tuple[Overlay, str]:
        """The state after one call, and the tool's answer."""
        if call.name not in self._tools:
            return overlay, f"Unknown action {call.name}"
        try:
            if call.name in self._domain.kinds:
                return overlay, self._read(call, overlay)
            return self._written(call, overlay, self._views.write(overlay))
        except FrozenWrite:
            return self._written(call, overlay, self._views.whole_copy(overlay))

    def _read(self, call: ToolCall, overlay: Overlay) -> str:
        view = self._views.read(overlay)
        answer = self._answer(call, view)
        self._views.take_back(view, overlay)
        return answer

    def _written(self, call: ToolCall, overlay: Overlay, view: View) -> tuple[Overlay, str]:
        given = dict(view)
        answer = self._answer(call, view)
        after = settled(self.image, overlay, given=given, found=view)
        self._views.take_back(given, overlay)
        return after, answer

    def _answer(self, call: ToolCall, view: View) -> str:
        try:
            arguments = {name: _owned(value, ARGUMENT_DEPTH) for name, value in call.arguments.items()}
            answer = self._invoked(call.name, view, arguments)
        except REFUSALS as refusal:
            return f"Error: {refusal}"
        if not isinstance(answer, str):
            return f"Error: {call.name} gave no answer"  # upstream breaks off; the 4th send_certificate does this
        return answer

    def _invoked(self, name: str, view: View, arguments: Mapping[str, JsonValue]) -> Any:
        tool = self._tools[name]
        if name != CALCULATOR:
            return tool.invoke(data=view, **arguments)
        if isinstance(expression := arguments.get("expression"), str) and too_big(expression):
            raise ValueError("the expression is too long, or its numbers are too big")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the compiler's, at expressions such as 2(3)
            return tool.invoke(data=view, **arguments)


def _spec(function: Mapping[str, Any], domain: Domain) -> ToolSpec:
    return ToolSpec(
        name=function["name"],
        description=function["description"],
        parameters=function["parameters"],
        kind=domain.kinds.get(function["name"], "write"),
    )


def _owned(value: JsonValue, room: int) -> JsonValue:
    """A copy that a tool may keep. ValueError below `room` levels of nesting."""
    if isinstance(value, str):
        return value
    if not room:
        raise ValueError(f"arguments are nested more than {ARGUMENT_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {key: _owned(item, room - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_owned(item, room - 1) for item in value]
    return value
