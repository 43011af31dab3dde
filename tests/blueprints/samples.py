"""Generated tasks that several tests look at, drawn once."""

from __future__ import annotations

import functools
import importlib
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from actors.environments.blueprints.compose import compose
from actors.environments.blueprints.generate import Generator
from actors.environments.blueprints.goals import Blueprint, Goal, Shop
from actors.environments.blueprints.make import open_generator
from actors.environments.blueprints.records import database
from actors.environments.blueprints.retail import questions
from actors.environments.registry import environment

DOMAINS = ("retail", "airline")
COUNT = 60
CUSTOMER = "noah_brown_6181"
# of retail, with one order, which was delivered


@functools.cache
def drawn(domain: str, count: int = COUNT, seed: int = 0) -> tuple[Blueprint, ...]:
    return tuple(islice(open_generator(domain, seed=seed).blueprints(), count))


@functools.cache
def shop(domain: str) -> Shop[Any]:
    module = importlib.import_module(f"actors.environments.blueprints.{domain}")
    opened: Shop[Any] = module.open_shop(database(domain))
    return opened


def scanty_generator() -> Generator:
    """As if retail had one customer, who wants to know tracking numbers and nothing else."""
    whole = shop("retail")
    few = replace(
        whole,
        customers={CUSTOMER: whole.customers[CUSTOMER]},
        makers=[(1, maker) for _, maker in whole.makers if maker is questions.tracking_number],
    )
    return Generator(few, environment("tau2", "retail"), seed=0)


def goals_of_kind(domain: str, kind: str) -> Iterator[tuple[str, Goal]]:
    """Goals of one kind with the user id of who has them, by the kind's own maker."""
    whole = shop(domain)
    rng = random.Random(kind)
    for _, maker in whole.makers:
        for name, customer in whole.customers.items():
            goal = maker(customer, rng)
            if goal is None:
                continue
            if goal.kind != kind:
                break
            yield name, goal


def composed(domain: str, customer: str, *goals: Goal) -> Blueprint:
    return compose(shop(domain), customer, goals, random.Random(0))
