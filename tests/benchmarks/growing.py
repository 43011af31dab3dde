"""Trees of a configuration, grown one after another in this process, as a worker would grow them."""

from __future__ import annotations

import time

from infra.config import RunConfig
from infra.pipeline import play_settings
from rollouts.explore import explore
from rollouts.fork_views import ForkPolicy
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player
from rollouts.protocols import Casting, Environment
from rollouts.receipt import WorkItem
from rollouts.slots import Slots
from rollouts.tree import Tree

LIVE_EPISODES = 64


async def grow(
    config: RunConfig, item: WorkItem, *, world: Environment[object], cast: Casting, policy: ForkPolicy
) -> tuple[Tree, Player[object]]:
    """The item's tree, and who played it."""
    meter = Meter()
    player = Player(
        world,
        task=item.task,
        cast=cast.cast(item.task),
        seed=item.seed,
        settings=play_settings(config),
        meter=meter,
        clock=time.monotonic,
        ledger=Ledger(),
    )
    tree = await explore(item, player, policy=policy, meter=meter, slots=Slots(LIVE_EPISODES))
    return tree, player
