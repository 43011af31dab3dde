"""Calling the package's unmodified tools on an immutable state.

A tool of the toolkit runs with a `self` that has nothing but `db`, a view of the state; a tool without a toolkit
function (calculate, transfer) is the package's own coroutine, which needs no database. Whatever a tool raises because of
its arguments is its answer, "Error: …" (upstream: tau2-bench, environment.py, get_response), and what it had changed
before stays changed, as it does upstream.
"""

from __future__ import annotations

import functools
import inspect
import json
import warnings
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from actors.environments.copy_on_write import BaseTable, Image, ReadView, ScratchView, Tables, View
from actors.environments.tau2.upstream import Machinery
from rollouts.episode import JsonValue, ToolCall, ToolKind, ToolSpec

ARGUMENT_DEPTH = 32
# a record nested deeper than a few hundred levels cannot be serialised any more, neither here nor upstream
EXPRESSION_CHARACTERS = 4_096
# `calculate` bounds each number, but not how many there are


class Toolbox:
    """The tools of one domain over its base image."""

    def __init__(self, code: Machinery) -> None:
        self.image: Image = {name: BaseTable(getattr(code.database, name)) for name in type(code.database).model_fields}
        self.specs = tuple(_spec(tool, code) for tool in code.tools)
        self._kinds = {spec.name: spec.kind for spec in self.specs}
        self._coroutines = {tool.name: tool.tool for tool in code.tools}
        self._toolkit = _light(code.toolkit)
        # ToolError, and what Python and pydantic raise for arguments of the wrong number, type, shape or size
        self._refusals = (code.tool_error, TypeError, ValueError, AttributeError, LookupError, ArithmeticError)

    def call(self, call: ToolCall, tables: Tables) -> tuple[Tables, str, bool]:
        """The state after one call, the tool's answer, and whether it is an error."""
        reads = self._kinds.get(call.name) == "read"
        view = ReadView(self.image, tables) if reads else ScratchView(self.image, tables)
        try:
            answer = self._answer(call, view)
        except self._refusals as refusal:
            return view.settled(), f"Error: {refusal}", True
        return view.settled(), answer, False

    def _answer(self, call: ToolCall, view: View) -> str:
        if call.name not in self._kinds:
            raise ValueError(f"Tool '{call.name}' not found.")
        arguments = {name: _owned(value, ARGUMENT_DEPTH) for name, value in call.arguments.items()}
        with warnings.catch_warnings():
            # a field may have been given a value of another type: upstream serialises it, and pydantic warns
            warnings.simplefilter("ignore")
            return _text(self._function(call.name, view)(**arguments))

    def _function(self, name: str, view: View) -> Callable[..., Any]:
        if not hasattr(self._toolkit, name):
            return functools.partial(_run, self._coroutines[name])
        toolkit = self._toolkit()
        toolkit.db = view
        function: Callable[..., Any] = getattr(toolkit, name)
        return function


def _light(toolkit: type) -> Any:
    """A plain class with the toolkit's functions: the toolkit itself keeps its database in a store that validates."""
    functions = {name: value for name, value in vars(toolkit).items() if inspect.isfunction(value)}
    return type(toolkit.__name__, (), functions)


def _spec(tool: Any, code: Machinery) -> ToolSpec:
    return ToolSpec(
        name=tool.name,
        description=tool.description,
        parameters=tool.parameters.model_dump(exclude_none=True),
        kind=_kind(tool.name, code),
    )


def _kind(name: str, code: Machinery) -> ToolKind:
    if name == "transfer_to_human_agents":
        return "transfer"
    if name in code.read_only:
        return "read"
    return "write" if name in vars(code.toolkit) else "other"


def _owned(value: JsonValue, room: int) -> JsonValue:
    """A copy that a tool may keep: upstream stores arguments by reference. ValueError beyond `room` levels."""
    if not room:
        raise ValueError(f"arguments are nested more than {ARGUMENT_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {key: _owned(item, room - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_owned(item, room - 1) for item in value]
    return value


def _run(function: Callable[..., Coroutine[Any, Any, Any]], /, **arguments: JsonValue) -> Any:
    """The result of a coroutine function that waits for nothing."""
    expression = arguments.get("expression", "")
    if isinstance(expression, str) and len(expression) > EXPRESSION_CHARACTERS:
        raise ValueError(
            f"the expression has {len(expression)} characters; at most {EXPRESSION_CHARACTERS} are allowed"
        )
    coroutine = function(**arguments)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError(f"{coroutine!r} waits for something; only tools that do not can be called here")


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, sort_keys=True)
