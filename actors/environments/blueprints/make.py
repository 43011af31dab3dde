"""From a domain, a count and a seed to a file of verified tasks: the same bytes each time, unless a model rewords them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from actors.environments.blueprints.generate import ACCEPTED, Generator
from actors.environments.blueprints.goals import Shop
from actors.environments.blueprints.paraphrase import Paraphraser, reworded
from actors.environments.blueprints.records import database
from actors.environments.blueprints.task_file import data_of, new_file, task_line
from actors.environments.names import named
from actors.environments.registry import environment
from rollouts.errors import UsageError

ENVIRONMENT = "tau2"
GENERATOR = "blueprints/1"
# its number grows with every change that gives other tasks for the same seed
_SHOPS = {
    "retail": "actors.environments.blueprints.retail",
    "airline": "actors.environments.blueprints.airline",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of the draws."""

    count: int
    # tasks written
    draws: int
    rejected: Mapping[str, int]
    # reason → draws
    kinds: Mapping[str, int]
    # goal → tasks' goals of that kind
    num_held_out: int
    # test tasks that every draw was compared with


def open_generator(domain: str, *, seed: int) -> Generator:
    """UsageError for an unknown domain, or when the package it comes from is missing."""
    module = importlib.import_module(named(domain, _SHOPS, what="domain to make tasks for"))
    world = environment(ENVIRONMENT, domain)
    shop: Shop[Any] = module.open_shop(database(domain))
    return Generator(shop, world, seed=seed)


async def make_tasks(generator: Generator, *, count: int, out: Path, force: bool, paraphraser: Paraphraser) -> Made:
    """Write `count` tasks to `out`, each as soon as it is made; the file appears when all are.

    UsageError for a count that cannot be had (says how many can), and for a place that cannot be written or is taken.
    """
    if count < 1:
        raise UsageError(f"at least 1 task must be asked for, got a count of {count}")
    if count > generator.most:
        raise _too_many(count, f"at most {generator.most}", generator)
    made = {
        "generator": GENERATOR,
        "seed": generator.seed,
        "environment": ENVIRONMENT,
        **data_of(environment(ENVIRONMENT, generator.domain).provenance),
    }
    with new_file(out, force=force) as add:
        async with aclosing(reworded(islice(generator.blueprints(), count), paraphraser)) as blueprints:
            async for blueprint in blueprints:
                add(task_line(blueprint.task, made={**made, "wording": blueprint.wording}))
        if generator.counts[ACCEPTED] < count:
            raise _too_many(count, f"only {generator.counts[ACCEPTED]}", generator)
    return _told(generator)


def _too_many(count: int, possible: str, generator: Generator) -> UsageError:
    what = f"{possible} can be made for {generator.domain} from seed {generator.seed}"
    return UsageError(f"{count} tasks were asked for, but {what}; ask for fewer")


def _told(generator: Generator) -> Made:
    counts = generator.counts
    return Made(
        count=counts[ACCEPTED],
        draws=counts.total(),
        rejected={reason: count for reason, count in counts.most_common() if reason != ACCEPTED},
        kinds=dict(generator.kinds.most_common()),
        num_held_out=generator.num_held_out,
    )
