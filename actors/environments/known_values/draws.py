"""Finite distributions over drafts: what a stand-in of the known-values world may do, each with its chance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from rollouts.episode import Draft, JsonValue, ToolCall

Outcomes: TypeAlias = tuple[tuple[float, Draft], ...]
# distinct actions with chances above 0 that sum to 1


_GOLDEN = 0x9E3779B97F4A7C15
# odd, so multiplying by it permutes the numbers below 2**64; 2**64 over the golden ratio, so that seeds in a row are spread evenly


def luck_of(seed: int) -> float:
    """A number in [0, 1), uniform over seeds. They come hashed from their place, and to hash them again would be felt."""
    return (seed * _GOLDEN % 2**64 >> 11) / 2**53


def draw(outcomes: Outcomes, *, seed: int) -> Draft:
    """The draft that the seed falls on."""
    luck = luck_of(seed)
    for probability, draft in outcomes:
        luck -= probability
        if luck < 0:
            return draft
    return outcomes[-1][1]


def calling(name: str, call_id: str, **arguments: JsonValue) -> Draft:
    """`call_id` has to be unique in one conversation, and no part of chance: it says where the call is made."""
    return Draft(text="", tool_calls=(ToolCall(call_id=f"{name}-{call_id}", name=name, arguments=arguments),))


def described(draft: Draft) -> str:
    """A draft in words; distinct for the distinct actions of one place."""
    if not draft.tool_calls:
        return draft.text
    call = draft.tool_calls[0]
    arguments: Mapping[str, JsonValue] = call.arguments
    return f"{call.name}({', '.join(f'{name}={value}' for name, value in arguments.items())})"
