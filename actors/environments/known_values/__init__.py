"""The known-values world: a small family of stochastic tasks whose action values are computed exactly, to test estimators against.

`open_environment(family)` plays one of `FAMILIES`, `stand_ins()` gives its actor and user, and `exact_q`, `exact_v` and
`value_drops` tell the truth about what was played. It says nothing about how any model behaves.
"""

from __future__ import annotations

from actors.environments.known_values.actor import KnownActor
from actors.environments.known_values.casting import KnownValuesCasting
from actors.environments.known_values.environment import KnownValuesEnvironment
from actors.environments.known_values.families import FAMILIES, Parameters
from actors.environments.known_values.plan import Rules
from actors.environments.known_values.tools import KnownState
from actors.environments.known_values.user import KnownUser
from actors.environments.known_values.values import ExactValues, exact_q, exact_v, first_error, value_drops
from actors.environments.names import named
from actors.scripted import CriticRates
from rollouts.protocols import Critic, NoCritic

__all__ = [
    "FAMILIES",
    "ExactValues",
    "KnownActor",
    "KnownState",
    "KnownUser",
    "KnownValuesCasting",
    "KnownValuesEnvironment",
    "Parameters",
    "Rules",
    "exact_q",
    "exact_v",
    "first_error",
    "open_environment",
    "stand_ins",
    "value_drops",
]


def open_environment(domain: str) -> KnownValuesEnvironment:
    """The family of that name. UsageError when there is none."""
    return KnownValuesEnvironment(domain, named(domain, FAMILIES, what="family of known_values"))


def stand_ins(*, critic: Critic | CriticRates = NoCritic()) -> KnownValuesCasting:
    """Who plays this environment where a configuration says "scripted"."""
    return KnownValuesCasting(critic=critic)
