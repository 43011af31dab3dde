"""The code of inspect-evals for a domain, imported when it is first needed (seconds, 100 MB)."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import Domain, Toolkit
from actors.environments.tau2.machinery import Definition, Machinery, ToolkitCode, imported, no_data
from actors.environments.tau2.upstream import Source
from rollouts.episode import JsonValue, Side, ToolCall

TRANSFER = "transfer_to_human_agents"


def machinery(domain: Domain, source: Source) -> Machinery:
    """Import the package's code and load the databases: once per process, for the time it takes."""
    ours = functools.partial(_below, source)
    to_json = ours(domain.to_json) if domain.to_json else functools.partial(json.dumps, sort_keys=True)
    return Machinery(
        databases=[ours(path).model_validate(held) for path, held in upstream.contents(domain, source).items()],
        toolkits={side: _toolkit(toolkit, source, domain.prefix) for side, toolkit in domain.toolkits.items()},
        agree=ours(domain.environment) if domain.environment else SimpleNamespace,
        merge=ours(domain.merge) if domain.merge else no_data,
        written=functools.partial(_written, to_json=to_json),
        minted_in=domain.minted_in,
        searched=upstream.knowledge(domain, source),
        tool_error=imported("inspect_ai.tool:ToolError", source),
        criteria=ours("data_model.tasks:EvaluationCriteria"),
        scenario=ours("data_model.tasks:UserScenario"),
        initial_state=ours("data_model.tasks:InitialState"),
        is_action=functools.partial(_is_action, equal=ours("utils:deep_equal_unordered")),
    )


def _below(source: Source, path: str) -> Any:
    return imported(f"inspect_evals.tau2.{path}", source)


def _toolkit(toolkit: Toolkit, source: Source, prefix: str) -> ToolkitCode:
    define = imported("inspect_ai.tool:ToolDef", source)
    found = [_below(source, path) for path in toolkit.tools]
    tools = [define(tool()) for one in found for tool in (one if isinstance(one, list) else [one])]
    original = _below(source, toolkit.path)
    fields = original.model_fields
    kit = _light(original)
    return ToolkitCode(
        kit=kit,
        definitions={name: _definition(tool, kit, name) for tool in tools for name in [tool.name.removeprefix(prefix)]},
        read_only=toolkit.read_only,
        memory={name: fields[name].get_default(call_default_factory=True) for name in toolkit.memory},
    )


def _light(toolkit: type) -> type:
    """A plain class with the toolkit's functions: the toolkit itself keeps its database in a store that validates."""
    members = {
        name: value for name, value in vars(toolkit).items() if inspect.isfunction(value) or isinstance(value, property)
    }
    return type(toolkit.__name__, (), members)


def _definition(tool: Any, kit: type, name: str) -> Definition:
    return Definition(
        description=tool.description,
        parameters=tool.parameters.model_dump(exclude_none=True),
        writes=hasattr(kit, name),
        run=None if hasattr(kit, name) else functools.partial(_run, tool.tool),
    )


def _run(function: Callable[..., Coroutine[Any, Any, Any]], /, **arguments: JsonValue) -> Any:
    """The result of a coroutine function that waits for nothing."""
    coroutine = function(**arguments)
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError(f"{coroutine!r} waits for something; only tools that do not can be called here")


def _written(answer: Any, *, to_json: Callable[[Any], str]) -> str:
    text: str = answer.model_dump_json() if hasattr(answer, "model_dump_json") else to_json(answer)
    return text


def _is_action(action: Any, side: Side, call: ToolCall, *, equal: Callable[[Any, Any], bool]) -> bool:
    """As find_unused_actions of inspect_evals/tau2/common/scorer.py: numbers by value, lists in any order."""
    if (side == "user") != (action.requestor == "user"):
        return False
    if call.name != action.name and not call.name.endswith(f"_{action.name}"):
        return False
    if action.name == TRANSFER or action.compare_args == []:
        return True
    if action.compare_args is None:
        return equal(dict(call.arguments), action.arguments)
    return equal(
        *({name: held.get(name) for name in action.compare_args} for held in (call.arguments, action.arguments))
    )
