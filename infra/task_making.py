"""`treeroll tasks make`: tasks into a file, and what there is to say about how they were made."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.chat_client import ChatClient
from actors.chat_endpoint import Endpoint
from actors.environments.blueprints.make import Made, make_tasks, open_generator
from actors.environments.blueprints.paraphrase import ChatParaphraser, NoParaphraser, Paraphraser
from infra.casting import user_endpoint
from infra.config import load_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be made."""

    domain: str
    count: int
    seed: int
    out: Path
    force: bool
    # whether another file at `out` is replaced


def make(order: Order, *, paraphrase_with: str | None) -> list[tuple[str, str]]:
    """Makes the file; headings and texts for a reader. `paraphrase_with`: a configuration whose [user] rewords the requests.

    UsageError for what cannot be made as asked.
    """
    started_s = time.process_time()
    if paraphrase_with is None:
        made, wording = asyncio.run(_made(order, NoParaphraser())), "by the templates"
    else:
        made, wording = asyncio.run(_made_reworded(order, user_endpoint(load_config(paraphrase_with))))
    cpu_s = time.process_time() - started_s
    return [*_rows(order, made, cpu_s=cpu_s), ("wording", wording), _next(order)]


async def _made(order: Order, paraphraser: Paraphraser) -> Made:
    generator = open_generator(order.domain, seed=order.seed)
    return await make_tasks(generator, count=order.count, out=order.out, force=order.force, paraphraser=paraphraser)


async def _made_reworded(order: Order, endpoint: Endpoint) -> tuple[Made, str]:
    client = ChatClient(endpoint, jitter=random.Random())
    # back-off only: no text depends on it
    try:
        paraphraser = ChatParaphraser(client, concurrency=endpoint.max_connections)
        made = await _made(order, paraphraser)
    finally:
        await client.close()
    return made, f"by {endpoint.model}: {_counted(paraphraser.counts)}; by the templates where it was not reworded"


# -- words ------------------------------------------------------------------------------------------------------------


def _rows(order: Order, made: Made, *, cpu_s: float) -> list[tuple[str, str]]:
    return [
        ("tasks", f"{made.count:,} for {order.domain}, in {order.out}"),
        ("goals", _counted(made.kinds)),
        ("draws", f"{made.draws:,}, of which {made.count / made.draws:.0%} became tasks"),
        ("rejected", _counted(made.rejected)),
        ("held out", f"every draw was compared with the {made.num_held_out} tasks of the test split"),
        ("speed", f"{made.count / cpu_s:,.0f} tasks per CPU-second ({cpu_s:.1f} s, loading included)"),
    ]


def _next(order: Order) -> tuple[str, str]:
    return "next", f"treeroll run smoke --set tasks.domain={order.domain} --set tasks.source={order.out}"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in counts.items()) or "none"
