"""One side's unmodified tools over a view of a state.

A tool runs with a `self` that has nothing but `db`, the view, and the toolkit's memory, which is kept in the view too.
"""

from __future__ import annotations

import functools
import inspect
import uuid
from collections.abc import Callable, Iterator
from types import FunctionType, SimpleNamespace
from typing import Any

from actors.environments.copy_on_write import View
from actors.environments.tau2.machinery import Definition, ToolkitCode
from rollouts.episode import ToolKind, ToolSpec
from rollouts.identity import digest


class ToolSet:
    """The tools of one side."""

    def __init__(self, code: ToolkitCode, *, minted_in: str) -> None:
        members = {name: _remembered(name) for name in code.memory}
        self._kit: Any = type(code.kit.__name__, (code.kit,), members | dict(_minted(code.kit, minted_in)))
        self.specs = tuple(_spec(name, definition, code) for name, definition in code.definitions.items())
        self.kinds = {spec.name: spec.kind for spec in self.specs}
        self._definitions = code.definitions

    def over(self, view: View) -> Any:
        """The toolkit whose database is the view."""
        kit = self._kit.__new__(self._kit)
        kit.db = view
        return kit

    def tool(self, name: str, view: View) -> Callable[..., Any]:
        """The function of one of the tools."""
        run = self._definitions[name].run
        if run is not None:
            return run
        function: Callable[..., Any] = getattr(self.over(view), name)
        return function

    def has_function(self, name: str) -> bool:
        """Whether the toolkit has a function of this name, be it a tool or not."""
        return inspect.isfunction(getattr(self._kit, name, None))


def _remembered(name: str) -> property:
    return property(lambda kit: getattr(kit.db, name), lambda kit, value: kit.db.put(name, value))


def _minted(kit: type, table: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions of `kit` that draw random ids, so that they draw none."""
    for name in dir(kit) if table else ():
        function = inspect.getattr_static(kit, name)
        if isinstance(function, FunctionType) and "uuid" in function.__code__.co_names:
            yield name, _minting(function, table)


def _minting(function: FunctionType, table: str) -> Callable[..., Any]:
    """`function` with an id that follows from the length of `table`, to which it is about to add, in place of a random one."""

    @functools.wraps(function)
    def minting(kit: Any, *args: Any, **arguments: Any) -> Any:
        length = len(getattr(kit.db, table))
        minted = uuid.UUID(bytes=digest(table.encode(), str(length).encode()))
        names = {**function.__globals__, "uuid": SimpleNamespace(uuid4=lambda: minted)}
        bound = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
        return bound(kit, *args, **arguments)

    return minting


def _spec(name: str, definition: Definition, code: ToolkitCode) -> ToolSpec:
    return ToolSpec(
        name=name,
        description=definition.description,
        parameters=definition.parameters,
        kind=_kind(name, definition, code),
    )


def _kind(name: str, definition: Definition, code: ToolkitCode) -> ToolKind:
    if name == "transfer_to_human_agents":
        return "transfer"
    if name in code.read_only:
        return "read"
    return "write" if definition.writes else "other"
