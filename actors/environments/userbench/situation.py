"""Where an episode stands by upstream's bookkeeping: frozen, comparable, and as JSON.

Equal in everything that upstream's rules look at ⇔ equal as values: what they only ever test for membership is kept sorted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

ASPECT_OF_INITIAL = {"A": "apartment", "C": "rental_car", "F": "flight", "H": "hotel", "R": "restaurant"}
# the first letter of an option's id (upstream: travelgym/env/prompts.py, evaluate_action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the history that upstream's prompts show."""

    role: str
    # "agent", "user" or "database"
    content: str
    note: str = ""
    # what the user's side noted about the line; the agent does not see it


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    history: tuple[Entry, ...]
    remaining: tuple[str, ...]
    # ids of the preferences that can still be asked for; those of an aspect go with its recommendation
    elicited: tuple[str, ...]
    # ids, in the order in which they were told
    active: int
    # preferences told when asked for
    passive: int
    # preferences that the user volunteered
    off_topic: int
    # messages since a preference was told
    searches: int
    unsearched: tuple[str, ...]
    # aspects whose options have not been shown
    best: tuple[str, ...]
    correct: tuple[str, ...]
    # options that nobody has recommended yet
    initials: tuple[str, ...]
    # of the recommendations made, sorted
    scores: tuple[tuple[str, float], ...]
    # aspect and score of each recommendation, sorted


_NAMES = tuple(field.name for field in fields(Situation))


def packed(situation: Situation) -> dict[str, Any]:
    """What JSON can hold, inverse of `unpacked`. Written out: `asdict` copies every text and takes ten times as long."""
    stored: dict[str, Any] = {name: getattr(situation, name) for name in _NAMES}
    stored["history"] = [(entry.role, entry.content, entry.note) for entry in situation.history]
    return stored


def unpacked(stored: Mapping[str, Any]) -> Situation:
    """ValueError, TypeError or LookupError when `stored` is not of `packed`'s form."""
    given: dict[str, Any] = {
        name: tuple(stored[name]) if isinstance(stored[name], list) else stored[name] for name in _NAMES
    }
    given["history"] = tuple(Entry(role=role, content=text, note=note) for role, text, note in stored["history"])
    given["scores"] = tuple((str(aspect), float(score)) for aspect, score in stored["scores"])
    return Situation(**given)
