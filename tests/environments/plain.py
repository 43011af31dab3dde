"""The package's own toolkit on its own mutable database, called as tau2-bench calls it: what ours must equal.

Databases are made anew, whole and in the slow way, so that nothing is taken on trust from the copy-on-write code.
"""

from __future__ import annotations

import copy
import json
import warnings
from typing import Any

from actors.environments.tau2.environment import Tau2State
from actors.environments.tau2.toolbox import Toolbox
from actors.environments.tau2.upstream import Machinery
from rollouts.episode import ToolCall

RAISED = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)


class PlainToolkit:
    def __init__(self, code: Machinery) -> None:
        self._code = code
        self._toolkit = code.toolkit(instance="plain")
        self._names = {tool.name for tool in code.tools}
        self._raw = code.database.model_dump()

    def fresh(self) -> Any:
        """A new database that nobody has touched."""
        return type(self._code.database).model_validate(self._raw)

    def call(self, database: Any, made: ToolCall) -> tuple[str, bool]:
        """Run one tool of the toolkit on `database`, in place: its answer, and whether it is an error."""
        self._toolkit.db = database
        arguments = copy.deepcopy(dict(made.arguments))
        try:
            if made.name not in self._names:
                raise ValueError(f"Tool '{made.name}' not found.")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = getattr(self._toolkit, made.name)(**arguments)
        except (self._code.tool_error, *RAISED) as error:
            return f"Error: {error}", True
        return (answer if isinstance(answer, str) else json.dumps(answer, sort_keys=True)), False


def whole_database(toolbox: Toolbox, state: Tau2State, code: Machinery) -> Any:
    """A state as the package's own database model."""
    base = {name: dict(table.models) for name, table in toolbox.image.items()}
    changed = {name: toolbox.image[name].merged(delta) for name, delta in state.tables.items()}
    return type(code.database).model_construct(**{**base, **changed})


def contents(database: Any) -> str:
    """Everything in a database, in its order: stricter than the package's hash, and quicker."""
    text: str = json.dumps(database.model_dump(warnings=False), default=str)
    return text


def upstream_hash(database: Any) -> str:
    """The package's own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text: str = database.get_hash()
    return text
