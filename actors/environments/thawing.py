"""Copying what a database holds, so that a copy may be written to, and telling whether one was."""

from __future__ import annotations

import copy
from datetime import date
from typing import Any, Final

_IMMUTABLE: Final = (str, int, float, type(None), date)
# and all kinds of them: booleans, times, enumerations of strings


def thawed(value: Any) -> Any:
    """A copy of which every part that can be written to is new. No two places of it share such a part."""
    if isinstance(value, _IMMUTABLE):
        return value
    if type(value) is dict:
        return {key: item if isinstance(item, _IMMUTABLE) else thawed(item) for key, item in value.items()}
    if type(value) is list:
        return [thawed(item) for item in value]
    if not hasattr(value, "model_dump"):
        return copy.deepcopy(value)
    model = value.model_copy()
    fields = vars(model)
    for name, item in fields.items():
        if not isinstance(item, _IMMUTABLE):
            fields[name] = thawed(item)
    return model


def untouched(before: Any, after: Any) -> bool:
    """Whether `after`, once thawed from `before`, is still the same in everything. May say no for two that are alike."""
    if before is after:
        return True
    if type(before) is not type(after):
        return False
    if type(before) is dict:
        return len(before) == len(after) and all(
            key is other and (item is now or untouched(item, now))
            for (key, item), (other, now) in zip(before.items(), after.items(), strict=True)
        )
    if type(before) is list:
        return len(before) == len(after) and all(map(untouched, before, after))
    return hasattr(before, "model_dump") and untouched(vars(before), vars(after))
