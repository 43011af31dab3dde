"""Small pieces of English that every domain's texts are made of."""

from __future__ import annotations

import random
from collections.abc import Sequence

JOINTS = ("You also want something else.", "There is a second matter.", "Besides, there is this.")
LAST_JOINTS = ("Finally, there is one more thing.", "One last thing.", "And there is a third matter.")


def pick(rng: random.Random, *wordings: str) -> str:
    return rng.choice(wordings)


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def amount(value: float) -> str:
    """A sum of money as it is looked for in what was said: "481.5" stands in "$481.50", and "481.50" not in "$481.5"."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def joined(requests: Sequence[str], rng: random.Random) -> str:
    """Several requests as one text, in order."""
    told = [requests[0]]
    for index, request in enumerate(requests[1:], start=1):
        joints = LAST_JOINTS if index == 2 else JOINTS
        told.append(f"{pick(rng, *joints)} {request}")
    return " ".join(told)
