"""The package's own toolkits on their own mutable databases, called as tau2-bench calls them: what ours must equal.

Databases are made anew, whole and in the slow way, so that nothing is taken on trust from the copy-on-write code.
"""

from __future__ import annotations

import copy
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from actors.environments.copy_on_write import Tables
from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import Domain, Toolkit
from actors.environments.tau2.machinery import Machinery, imported
from actors.environments.tau2.toolbox import SIDES, Toolbox
from rollouts.episode import Side, Task, ToolCall

RAISED = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RecursionError)
_RANDOM_ID = re.compile("B[0-9a-f]{8}")
# of a bill that telecom's tools add


@dataclass(slots=True, kw_only=True)
class World:
    """What one branch changes in place."""

    databases: list[Any]
    memory: dict[Side, dict[str, Any]]


class Plain:
    """One set of the package's toolkits, which each call sets to work on a world."""

    def __init__(self, domain: Domain, code: Machinery) -> None:
        self._domain = domain
        self._code = code
        self._kits = {side: _kit(toolkit) for side, toolkit in domain.toolkits.items()}
        self._names = {side: set(kit.definitions) for side, kit in code.toolkits.items()}
        self._raw = [held.model_dump() for held in code.databases]

    def fresh(self) -> World:
        """Databases that nobody has touched."""
        return World(
            databases=[
                type(held).model_validate(raw) for held, raw in zip(self._code.databases, self._raw, strict=True)
            ],
            memory={side: copy.deepcopy(dict(kit.memory)) for side, kit in self._code.toolkits.items()},
        )

    def started(self, task: Task) -> World:
        world = self.fresh()
        if task.data.get("initial_state"):
            initial = self._code.initial_state.model_validate(copy.deepcopy(task.data["initial_state"]))
            self._enter(world)
            self._agree()
            if initial.initialization_data:
                self._code.merge(self._kits["actor"].db, initial.initialization_data)
            for action in initial.initialization_actions or ():
                getattr(self._kits[SIDES[action.env_type]], action.func_name)(**copy.deepcopy(action.arguments))
                self._agree()
            self._leave(world)
        return world

    def call(self, world: World, made: ToolCall, *, side: Side = "actor") -> tuple[str, bool]:
        """Run one tool of a toolkit on the world, in place: its answer, and whether it is an error."""
        self._enter(world)
        arguments = copy.deepcopy(dict(made.arguments))
        try:
            if made.name not in self._names.get(side, ()):
                raise ValueError(f"Tool '{made.name}' not found.")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                answer = getattr(self._kits[side], made.name)(**arguments)
                return answer if isinstance(answer, str) else self._code.written(answer), False
        except (self._code.tool_error, *RAISED) as error:
            return f"Error: {error}", True
        finally:
            self._agree()
            self._leave(world)

    def through_the_package(self, world: World, made: ToolCall, *, side: Side) -> str:
        """The answer to a call that must succeed, given by the very tool that the package shows its agent."""
        self._enter(world)
        for kit in self._kits.values():
            kit.initialized = True
        coroutine = self._own_tools[side][made.name].tool(**copy.deepcopy(dict(made.arguments)))
        try:
            coroutine.send(None)
        except StopIteration as end:
            self._agree()
            self._leave(world)
            return str(end.value)
        raise AssertionError(f"{made.name} waits for something")

    def holds(self, world: World, assertion: Any) -> bool:
        self._enter(world)
        try:
            function = getattr(self._kits[SIDES[assertion.env_type]], assertion.func_name)
            return bool(function(**assertion.arguments) == assertion.assert_value)
        except (self._code.tool_error, *RAISED):
            return False

    def _enter(self, world: World) -> None:
        for side, kit in self._kits.items():
            kit.db = next(held for held in world.databases if isinstance(held, type(kit).model_fields["db"].annotation))
            for name, value in world.memory[side].items():
                setattr(kit, name, value)

    def _leave(self, world: World) -> None:
        world.memory = {
            side: {name: getattr(self._kits[side], name) for name in kept} for side, kept in world.memory.items()
        }

    def _agree(self) -> None:
        if "user" in self._kits:
            self._code.agree(user_tools=self._kits["user"], tools=self._kits["actor"])

    @cached_property
    def _own_tools(self) -> Mapping[Side, Mapping[str, Any]]:
        define = _of_the_package("inspect_ai.tool:ToolDef")
        found: dict[Side, dict[str, Any]] = {}
        for side, toolkit in self._domain.toolkits.items():
            lists = [_of_the_package(f"inspect_evals.tau2.{path}") for path in toolkit.tools]
            tools = [define(tool()) for one in lists for tool in (one if isinstance(one, list) else [one])]
            found[side] = {tool.name.removeprefix(self._domain.prefix): tool for tool in tools}
        return found


def _kit(toolkit: Toolkit) -> Any:
    original = _of_the_package(f"inspect_evals.tau2.{toolkit.path}")
    return original(instance=original.__name__)  # the name that the package's own tools look for


def _of_the_package(path: str) -> Any:
    return imported(path, upstream.installed())


def adopt_ids(world: World, state: World) -> None:
    """Give the bills that `world` added, under random ids, those they have in `state`."""
    for theirs, ours in zip(world.databases[0].bills, state.databases[0].bills, strict=True):
        if theirs.bill_id != ours.bill_id:
            assert _RANDOM_ID.fullmatch(theirs.bill_id) and _RANDOM_ID.fullmatch(ours.bill_id)
            for customer in world.databases[0].customers:
                customer.bill_ids = [ours.bill_id if i == theirs.bill_id else i for i in customer.bill_ids]
            theirs.bill_id = ours.bill_id


def whole(toolbox: Toolbox, tables: Tables, code: Machinery) -> World:
    """A state as the package's own database models."""

    def held(name: str) -> Any:
        table = toolbox.image[name]
        return table.shown(table.merged(tables[name]) if name in tables else dict(table.values))

    return World(
        databases=[
            type(database).model_construct(
                **{name: _restored(database, name, held(name)) for name in _fields(database)}
            )
            for database in code.databases
        ],
        memory={side: {name: held(name) for name in kit.memory} for side, kit in code.toolkits.items()},
    )


def _fields(database: Any) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = type(database).model_fields
    return fields


def _restored(database: Any, name: str, shown: Any) -> Any:
    """What ours shows in place of a list, or of a table that has notes, as the package's own."""
    if not hasattr(shown, "notes"):
        return list(shown) if isinstance(shown, tuple) else shown
    return _fields(database)[name].annotation.model_construct(data=shown.data, notes=shown.notes)


def contents(world: World) -> str:
    """Everything in a world, in its order: stricter than the package's hash, and quicker."""
    databases = [held.model_dump(warnings=False) for held in world.databases]
    return json.dumps([databases, world.memory], default=_dumped)


def _dumped(value: Any) -> Any:
    return value.model_dump() if hasattr(value, "model_dump") else str(value)


def upstream_hash(world: World) -> str:
    """The package's own, of all databases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return " ".join(held.get_hash() for held in world.databases)
