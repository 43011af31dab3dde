"""Intervals hold the true action values of the known-values world as often as they say: 12,000 cells."""

from __future__ import annotations

import asyncio
import random
from functools import cache

import pytest

from actors.environments.known_values import FAMILIES, ExactValues
from labeling.intervals import Intervals
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Place, Player, PlaySettings
from rollouts.supervision import Supervision
from tests.known_values.worlds import family

CELLS = 12_000
SURE = (1e-6, 1 - 1e-6)
# a value of 0 or 1 is missed by no interval


@cache
def _values() -> tuple[float, ...]:
    """Exact Q of what the actor did in plays of all families."""
    return tuple(q for name in FAMILIES for number in range(4) for q in asyncio.run(_of_a_play(name, number)))


async def _of_a_play(name: str, number: int) -> list[float]:
    environment, task, cast = family(name, number=number)
    player = Player(
        environment,
        task=task,
        cast=cast,
        seed=number,
        settings=PlaySettings(supervision=Supervision(), turn_limit=40, episode_timeout_s=60),
        meter=Meter(),
        clock=lambda: 0.0,
        ledger=Ledger(),
    )
    played = await player.trunk(Place(path="t0", user_path="t0"))
    exact = ExactValues(task)
    steps = played.episode.steps
    found = [exact.q(state, step.action) for state, step in zip(exact.states(steps), steps, strict=True)]
    return [q for q in found if SURE[0] < q < SURE[1]]


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_intervals_for_a_fixed_number_cover_at_their_nominal_rate(level: float) -> None:
    chance, made, held = random.Random(1), Intervals(sequential=False), 0
    for cell in range(CELLS):
        q, n = chance.choice(_values()), (4, 8, 16, 24)[cell % 4]
        interval = made.of(sum(chance.random() < q for _ in range(n)), n, level=level)
        held += interval.lower <= q <= interval.upper
    assert held / CELLS == pytest.approx(level, abs=0.03)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_sequential_intervals_cover_at_least_at_theirs_when_sampling_stops_at_the_worst_moment(level: float) -> None:
    chance, made, held = random.Random(2), Intervals(sequential=True), 0
    cells = CELLS // 4
    for _ in range(cells):
        q, successes, n, inside = chance.choice(_values()), 0, 0, True
        while inside and n < 24:
            successes, n = successes + (chance.random() < q), n + 1
            interval = made.of(successes, n, level=level)
            inside = interval.lower <= q <= interval.upper
        held += inside
    assert held / cells >= level
