"""The JSON that a model's answer states, with prose and code fences around it. What is not clearly stated is not read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal


def stated(text: str, opening: Literal["{", "["]) -> Iterator[Any]:
    """The outermost JSON values that begin with `opening`, in order.

    ValueError for a bracket that begins none, since what is inside a broken one may be a quotation, and for a name that an object
    gives twice; RecursionError for a bottomless one.
    """
    decoder = json.JSONDecoder(object_pairs_hook=_without_repetition)
    position = text.find(opening)
    while position >= 0:
        found, end = decoder.raw_decode(text, position)
        yield found
        position = text.find(opening, end)


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a name is given twice")
    return record
