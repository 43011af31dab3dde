"""What a package of the benchmark gives for a domain: the same parts, whichever package it is."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from actors.environments.tau2.upstream import Source
from rollouts.episode import JsonValue, Side, ToolCall
from rollouts.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A tool as its side is told of it."""

    description: str
    parameters: Mapping[str, JsonValue]
    # a JSON Schema
    writes: bool
    # whether it may change something
    run: Callable[..., Any] | None = None
    # the tool itself, where it is no method of the toolkit; it needs no database


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolkitCode:
    """One side's tools."""

    kit: type
    # its methods are the tools; of `self` they use `db` and the memory only, so that it is never initialised
    definitions: Mapping[str, Definition]
    # in the package's order
    read_only: frozenset[str]
    # names of the tools known not to write
    memory: Mapping[str, Any] = field(default_factory=dict)
    # attribute → its value before the first call


NO_TOOLS = ToolkitCode(kit=object, definitions={}, read_only=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """A domain's databases and the package's code for it."""

    databases: Sequence[Any]
    # models, as the package loads them
    toolkits: Mapping[Side, ToolkitCode]
    agree: Callable[..., Any]
    # with (user_tools, tools): brings the two sides' databases into agreement
    merge: Callable[[Any, Any], None]
    # of (database, initialization data); ValueError where the package brings none into this domain
    written: Callable[[Any], str]
    # an answer that is no text
    minted_in: str
    # as in `Domain`
    searched: Sequence[str]
    # the texts that a tool searches by a pattern of the caller's
    tool_error: type[Exception]
    # what a tool raises to refuse
    criteria: Any
    # model of a task's `evaluation_criteria`
    scenario: Any
    # model of a task's `user_scenario`; str() of one is what the simulated user is told
    initial_state: Any
    # model of a task's `initial_state`
    is_action: Callable[[Any, Side, ToolCall], bool]
    # whether a side's call is one of a task's `actions`, to the reward
    remembered: Callable[[Mapping[str, JsonValue]], Mapping[str, Any]] = lambda record: {}
    # what of the toolkits' memory the record of a task sets when the task begins
    shows_user: Callable[[Mapping[str, JsonValue], str], bool] = lambda record, tool: True
    # whether the user of a task is told of a tool


def no_data(database: Any, data: Any) -> NoReturn:
    """The `merge` of a domain that has none."""
    raise ValueError("it has `initialization_data`, which the package brings into banking_knowledge only")


def imported(path: str, source: Source) -> Any:
    """What "module:attribute" names. DataError when the package has no such thing."""
    module, _, name = path.partition(":")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the package's imports are not ours to mend
            return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise DataError(
            f"{source.package} {source.version} should have {path}, but: {error}; {source.remedy}"
        ) from error
