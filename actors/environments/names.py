"""Choosing one of several known things by the name a caller wrote: found, or a `UsageError` that lists them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

from rollouts.errors import UsageError

T = TypeVar("T")


def named(name: str, known: Mapping[str, T], *, what: str) -> T:
    """The thing called `name`. UsageError names the known ones and the nearest; `what` says what was looked for."""
    if name in known:
        return known[name]
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    raise UsageError(f"unknown {what} {name!r}: it must be one of {', '.join(map(repr, known))}{hint}")
