"""Which environments there are. Nothing of an environment is imported before it is asked for.

To add one: a module with `open_environment(domain) -> Environment`, and its line here.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

from actors.environments.names import named
from rollouts.protocols import Casting, Environment

_MODULES = {
    "known_values": "actors.environments.known_values",
    "tau2": "actors.environments.tau2",
}


def environment(name: str, domain: str) -> Environment[Any]:
    """The environment of one domain: one object per process, whoever asks, so that all share its base image and caches.

    UsageError when the name or the domain is unknown, or when the package it comes from is missing or not the supported
    version.
    """
    return _opened(name, domain)


@functools.cache
def _opened(name: str, domain: str) -> Environment[Any]:
    module = importlib.import_module(named(name, _MODULES, what="environment"))
    opened: Environment[Any] = module.open_environment(domain)
    return opened


def own_stand_ins(name: str) -> Callable[..., Casting] | None:
    """`stand_ins(*, critic)` of an environment that has its own; None: the scripted ones play it."""
    module = importlib.import_module(named(name, _MODULES, what="environment"))
    found: Callable[..., Casting] | None = getattr(module, "stand_ins", None)
    return found
