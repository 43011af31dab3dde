"""The code of upstream's package for a domain, as its own composer puts it together, imported when it is first needed.

What upstream's runner does for a single task is done here too: the tools that the task's user has, and the reads that its
gold sequence needs logged (tau2-bench, src/tau2/runner/build.py).
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import Domain, Toolkit
from actors.environments.tau2.machinery import Definition, Machinery, ToolkitCode, imported
from actors.environments.tau2.upstream import Source
from actors.environments.tau2_upstream.checkout import find_package
from actors.environments.tau2_upstream.light_import import light_imports
from actors.environments.tau_bench.calculator import too_big
from rollouts.episode import JsonValue, Side, ToolCall
from rollouts.errors import DataError

RETRIEVAL = {"banking_knowledge": {"retrieval_variant": "grep_only"}}
# upstream's own default needs an embedding model
LOGGED = "_read_log_allowlist"


def machinery(domain: Domain, source: Source) -> Machinery:
    """Import upstream's code and load the databases: once per process. DataError when something is missing."""
    with light_imports(find_package()):
        world = _world(domain, source)
        kind: Callable[..., Any] = type(world)
        model = functools.partial(_task_model, source)
        sides: dict[Side, Any] = {"actor": world.tools, "user": world.user_tools}
        return Machinery(
            databases=_databases(sides),
            toolkits={side: _toolkit(sides[side], toolkit) for side, toolkit in domain.toolkits.items()},
            agree=functools.partial(kind, domain.name, world.policy),
            merge=_merge,
            written=world.to_json_str,
            minted_in=domain.minted_in,
            searched=upstream.knowledge(domain, source),
            tool_error=ValueError,
            criteria=model("EvaluationCriteria"),
            scenario=model("UserScenario"),
            initial_state=model("InitialState"),
            is_action=_is_action,
            remembered=_logged if any(LOGGED in kit.memory for kit in domain.toolkits.values()) else _nothing,
            shows_user=_shows_user,
        )


def _world(domain: Domain, source: Source) -> Any:
    make: Callable[..., Any] = imported(f"tau2.domains.{domain.name}.environment:get_environment", source)
    try:
        return make(**RETRIEVAL.get(domain.name, {}))
    except (OSError, ImportError) as error:
        raise DataError(
            f"{source.package} {source.version} cannot make {domain.name}: {error}; {source.remedy}"
        ) from error


def _task_model(source: Source, name: str) -> Any:
    return imported(f"tau2.data_model.tasks:{name}", source)


def _databases(sides: Mapping[Side, Any]) -> list[Any]:
    """Each once, also where both sides share one."""
    held = {id(kit.db): kit.db for kit in sides.values() if kit is not None}
    return list(held.values())


def _toolkit(made: Any, toolkit: Toolkit) -> ToolkitCode:
    kit = type(made)
    # what the composer gave the toolkit beside its database and its memory stays as it is for good
    given = {name: value for name, value in vars(made).items() if name != "db" and name not in toolkit.memory}
    bounded = {"calculate": _bounded(kit.calculate)} if hasattr(kit, "calculate") else {}
    schemas = {name: tool.openai_schema["function"] for name, tool in made.get_tools().items()}
    return ToolkitCode(
        kit=type(kit.__name__, (kit,), given | bounded),
        definitions={
            name: Definition(
                description=schema["description"],
                parameters=schema["parameters"],
                writes=made.tool_mutates_state(name),
            )
            for name, schema in schemas.items()
        },
        read_only=toolkit.read_only & schemas.keys(),
        memory={name: _plain(getattr(made, name)) for name in toolkit.memory},
    )


def _plain(value: Any) -> Any:
    """A copy of its own; of a set, a list."""
    return sorted(value) if isinstance(value, set) else copy.deepcopy(value)


def _bounded(calculate: Callable[..., str]) -> Callable[..., str]:
    """Upstream evaluates whatever it is sent, and `9**9**9` holds the process for ever."""

    @functools.wraps(calculate)
    def bounded(kit: Any, expression: Any) -> str:
        if isinstance(expression, str) and too_big(expression):
            raise ValueError("the expression, or a number in it, is too large")
        return calculate(kit, expression)

    return bounded


def _merge(database: Any, data: Any) -> None:
    """As Environment.set_state does with a task's data, for tables of records."""
    for update in (data.agent_data, data.user_data):
        for name, table in (update or {}).items():
            for key, record in table.get("data", {}).items():
                _deep_update(getattr(database, name).data, key, record)


def _deep_update(held: Any, key: str, value: Any) -> None:
    if key in held and isinstance(held[key], dict) and isinstance(value, dict):
        for inner, item in value.items():
            _deep_update(held[key], inner, item)
    else:
        held[key] = value


def _is_action(action: Any, side: Side, call: ToolCall) -> bool:
    """Upstream's rule, which asks for the arguments of the call only, and not whose call it was."""
    return bool(action.compare_with_tool_call(SimpleNamespace(name=call.name, arguments=dict(call.arguments))))


def _logged(record: Mapping[str, JsonValue]) -> Mapping[str, Any]:
    criteria: Any = record.get("evaluation_criteria") or {}
    wanted = {action.get("arguments", {}).get("agent_tool_name") for action in criteria.get("actions") or ()}
    return {LOGGED: sorted(name for name in wanted if name)}


def _nothing(record: Mapping[str, JsonValue]) -> Mapping[str, Any]:
    return {}


def _shows_user(record: Mapping[str, JsonValue], tool: str) -> bool:
    shown: Any = record.get("user_tools")
    return shown is None or tool in shown
