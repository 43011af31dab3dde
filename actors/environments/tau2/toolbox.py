"""Calling the package's unmodified tools on an immutable state, for both sides.

Whatever a tool raises because of its arguments is its answer, "Error: …" (upstream: tau2-bench, environment.py,
get_response), and what it had changed before stays changed, as it does upstream. After every call that may have changed
something the two sides' databases are brought into agreement by the package's own code; that it is called again for
a state that already agrees, as the package does, changes nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from actors.environments.copy_on_write import BaseTable, Image, ReadView, ScratchView, Tables, View, cell
from actors.environments.listed import listed
from actors.environments.tau2.machinery import NO_TOOLS, Machinery
from actors.environments.tau2.patience import PatternTrial, check_expression, owned
from actors.environments.tau2.toolkits import ToolSet
from rollouts.episode import JsonValue, Side, ToolCall

SIDES: dict[str, Side] = {"assistant": "actor", "user": "user"}
# as tasks name them → as we do


class Noted(NamedTuple):
    """Stands for a table as banking_knowledge keeps it."""

    notes: str
    data: Mapping[str, Any]


class Toolbox:
    """The tools of one domain over its base image."""

    def __init__(self, code: Machinery) -> None:
        fields = [(name, getattr(held, name)) for held in code.databases for name in type(held).model_fields]
        memory = [(name, value) for kit in code.toolkits.values() for name, value in kit.memory.items()]
        self.database: Image = {name: _base_table(value) for name, value in fields}
        # what upstream's database hash covers
        self.image: Image = {**self.database, **{name: cell(value) for name, value in memory}}
        assert len(self.image) == len(fields) + len(memory), (
            "the databases' tables and the memory differ in their names"
        )
        kits = {side: code.toolkits.get(side, NO_TOOLS) for side in SIDES.values()}
        self.sides = {side: ToolSet(kit, minted_in=code.minted_in) for side, kit in kits.items()}
        self._code = code
        self._patterns = PatternTrial(code.searched)
        # ToolError, and what Python and pydantic raise for arguments of the wrong number, type, shape or size
        self._refusals = (
            *(code.tool_error, TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError),
        )

    def call(self, call: ToolCall, tables: Tables, *, side: Side = "actor") -> tuple[Tables, str, bool]:
        """The state after one call, the tool's answer, and whether it is an error."""
        tools = self.sides[side]
        if tools.kinds.get(call.name) == "read":
            answer, is_error = self._answer(call, tools, ReadView(self.image, tables))
            return tables, answer, is_error
        view = ScratchView(self.image, tables)
        answer, is_error = self._answer(call, tools, view)
        self._agree(view)
        return view.settled(), answer, is_error

    def started(self, record: Mapping[str, JsonValue], initial: Any | None) -> Tables:
        """The state that a task begins in (upstream: set_state): `initial` is its `initial_state`, a model of the package's.

        ValueError when it cannot be made.
        """
        view = ScratchView(self.image, {})
        for name, value in self._code.remembered(record).items():
            view.put(name, value)
        try:
            self._agree(view)
            if initial is not None and initial.initialization_data is not None:
                self._code.merge(view, initial.initialization_data)
            for action in (initial and initial.initialization_actions) or ():
                function = getattr(self.sides[SIDES[action.env_type]].over(view), action.func_name)
                function(**{name: owned(value) for name, value in action.arguments.items()})
                self._agree(view)
        except (*self._refusals, AssertionError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error
        return view.settled()

    def holds(self, assertion: Any, tables: Tables) -> bool:
        """Whether one of a task's `env_assertions`, a model of the package's, is true. What cannot be asked is not."""
        toolkit = self.sides[SIDES[assertion.env_type]].over(ReadView(self.image, tables))
        try:
            return bool(getattr(toolkit, assertion.func_name)(**assertion.arguments) == assertion.assert_value)
        except self._refusals:
            return False

    def _agree(self, view: ScratchView) -> None:
        self._code.agree(user_tools=self.sides["user"].over(view), tools=self.sides["actor"].over(view))

    def _answer(self, call: ToolCall, tools: ToolSet, view: View) -> tuple[str, bool]:
        try:
            if call.name not in tools.kinds:
                raise ValueError(f"Tool '{call.name}' not found.")
            arguments = {name: owned(value) for name, value in call.arguments.items()}
            check_expression(arguments.get("expression"))
            self._patterns.check(arguments.get("pattern"))
            with warnings.catch_warnings():
                # a field may have been given a value of another type: upstream serialises it, and pydantic warns
                warnings.simplefilter("ignore")
                answer = tools.tool(call.name, view)(**arguments)
                return answer if isinstance(answer, str) else self._code.written(answer), False
        except self._refusals as refusal:
            return f"Error: {refusal}", True


def _base_table(value: Any) -> BaseTable:
    """One field of a database."""
    if isinstance(value, dict):
        return BaseTable(value)
    if set(getattr(type(value), "model_fields", ())) == {"data", "notes"}:
        return BaseTable(value.data, shown=partial(Noted, value.notes))
    return listed(value) if isinstance(value, list) else cell(value)
