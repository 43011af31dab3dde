"""Which environments there are. Nothing of an environment is imported before it is asked for.

To add one: a module with `open_environment(domain) -> Environment`, and its line here. One that lives in another package needs no
line: its name is the module's dotted path.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from actors.environments.names import named
from rollouts.episode import Task
from rollouts.errors import UsageError
from rollouts.protocols import Casting, Environment, Policy

_MODULES = {
    "known_values": "actors.environments.known_values",
    "tau2": "actors.environments.tau2",
    "tau2_upstream": "actors.environments.tau2_upstream",
    "tau_bench": "actors.environments.tau_bench",
    "userbench": "actors.environments.userbench",
}


def environment(name: str, domain: str) -> Environment[Any]:
    """The environment of one domain: one object per process, whoever asks, so that all share its base image and caches.

    UsageError when the name or the domain is unknown, or when the package it comes from is missing or not the supported
    version.
    """
    return _opened(name, domain)


@functools.cache
def _opened(name: str, domain: str) -> Environment[Any]:
    opened: Environment[Any] = _module(name).open_environment(domain)
    return opened


def own_stand_ins(name: str) -> Callable[..., Casting] | None:
    """`stand_ins(*, critic)` of an environment that has its own; None: the scripted ones play it."""
    found: Callable[..., Casting] | None = getattr(_module(name), "stand_ins", None)
    return found


def own_chat_user(name: str) -> Callable[[Any], Callable[[Task], Policy]] | None:
    """`chat_user(client)` of an environment whose user takes more than a conversation; None: a plain chat model plays the user."""
    found: Callable[[Any], Callable[[Task], Policy]] | None = getattr(_module(name), "chat_user", None)
    return found


def scripted_task(name: str) -> Callable[[Task], Task]:
    """From a task to the τ² record that the scripted stand-ins know; an environment with other records gives `scripted_task`."""
    found: Callable[[Task], Task] = getattr(_module(name), "scripted_task", _as_it_is)
    return found


def _as_it_is(task: Task) -> Task:
    return task


def _module(name: str) -> ModuleType:
    if name in _MODULES or "." not in name:
        return importlib.import_module(named(name, _MODULES, what="environment"))
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"no module {name!r} for the environment of that name ({error}); install the package that holds it, or put its folder "
            f"on PYTHONPATH. Without a dot the environments are {', '.join(sorted(_MODULES))}"
        ) from None
    if not hasattr(module, "open_environment"):
        raise UsageError(f"module {name!r} is no environment: it needs a function open_environment(domain)")
    return module
