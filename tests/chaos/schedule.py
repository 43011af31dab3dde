"""What strikes when in one storm: a pure function of its seed.

Moments are counted in what the run has done since the blow before (calls answered, or items published), not in seconds alone, so a
seed means much the same on a quick machine and on a slow one.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Target: TypeAlias = Literal["driver", "worker", "server", "driver and server"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    target: Target
    after: int
    # units of progress since the last blow; 0: while the process is still starting, or at once
    pause_s: float
    # and then so much later
    away_s: float
    # how long the server stays away

    def __str__(self) -> str:
        away = f", away {self.away_s:.2f} s" if "server" in self.target else ""
        return f"{self.target} after {self.after} + {self.pause_s:.2f} s{away}"


def schedule(seed: int, *, targets: Sequence[Target], blows: int, stride: int) -> tuple[Blow, ...]:
    """`stride`: the most progress between two blows. One blow in eight strikes a process that is still starting."""
    chance = random.Random(seed)
    return tuple(_blow(chance, targets, stride) for _ in range(blows))


def _blow(chance: random.Random, targets: Sequence[Target], stride: int) -> Blow:
    early = chance.random() < 1 / 8
    return Blow(
        target=chance.choice(targets),
        after=0 if early else chance.randint(1, stride),
        pause_s=chance.uniform(0, 3) if early else chance.uniform(0, 0.2),
        away_s=chance.uniform(0, 2),
    )
