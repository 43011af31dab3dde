"""Drawing tasks for one domain: customers take turns, and what cannot be used is counted under its reason.

The tasks are a function of the domain's data and the seed, and a longer sequence begins with the shorter one. A customer's life:
WAITING → drawn for in every round → EXHAUSTED (PATIENCE draws in a row were of no use, or TASKS_PER_CUSTOMER are made).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from actors.environments.blueprints.compose import LONGEST, compose, drawn_goals
from actors.environments.blueprints.goals import Blueprint, Shop
from actors.environments.blueprints.held_out import HeldOut, as_set, gold_writes
from actors.environments.blueprints.verify import Verifier
from rollouts.episode import ToolSpec
from rollouts.identity import digest
from rollouts.protocols import Environment
from rollouts.seeds import derive_seed

TASKS_PER_CUSTOMER = 60
# so that no customer's orders fill a data set
PATIENCE = 40
# 20 lose 2 % of a customer's tasks, 40 next to none
ACCEPTED = "accepted"


class Generator:
    """Draws and checks. `counts` says what became of the draws so far: ACCEPTED, or a reason against."""

    def __init__(self, shop: Shop[Any], world: Environment[Any], *, seed: int) -> None:
        self._shop = shop
        self.seed = seed
        self._verifier = Verifier(world)
        write_tools = _write_tools(world)
        self._held_out = HeldOut(world.tasks("test"), shop, write_tools=write_tools)
        self._official = {as_set(gold_writes(task, write_tools)) for task in world.tasks("train")} - {frozenset()}
        self._seen: set[bytes] = set()
        self.counts: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    @property
    def domain(self) -> str:
        return self._shop.domain

    @property
    def num_held_out(self) -> int:
        return len(self._held_out.tasks)

    @property
    def most(self) -> int:
        """No more tasks than these can be made, and perhaps fewer."""
        return TASKS_PER_CUSTOMER * len(self._shop.customers)

    def blueprints(self) -> Iterator[Blueprint]:
        """Until every customer is exhausted."""
        waiting = list(self._shop.customers)
        random.Random(derive_seed(self.seed, "blueprints", self._shop.domain)).shuffle(waiting)
        draws = {customer: self._accepted(customer) for customer in waiting}
        for _ in range(TASKS_PER_CUSTOMER):
            for customer in list(waiting):
                blueprint = next(draws[customer], None)
                if blueprint is None:
                    waiting.remove(customer)
                else:
                    yield blueprint

    def _accepted(self, customer: str) -> Iterator[Blueprint]:
        """The customer's tasks, one whenever it is asked for; ends when they are exhausted."""
        draw = failed = 0
        while failed < PATIENCE:
            blueprint = self._drawn(customer, draw)
            draw, failed = draw + 1, failed + 1
            if blueprint:
                failed = 0
                yield blueprint

    def _drawn(self, customer: str, draw: int) -> Blueprint | None:
        rng = random.Random(derive_seed(self.seed, "blueprint", self._shop.domain, customer, draw))
        goals = drawn_goals(self._shop, customer, rng)
        if not goals:
            self.counts["no goal fits the customer"] += 1
            return None
        blueprint = compose(self._shop, customer, goals, rng)
        objection = self._objection(blueprint)
        self.counts[objection or ACCEPTED] += 1
        if objection:
            return None
        self.kinds.update(goal.kind for goal in goals)
        return blueprint

    def _objection(self, blueprint: Blueprint) -> str:
        """Cheap reasons first."""
        essence = digest(blueprint.customer.encode(), *sorted(goal.essence.encode() for goal in blueprint.goals))
        if essence in self._seen or as_set(blueprint.writes) in self._official:
            return "duplicate"
        if blueprint.num_steps > LONGEST:
            return "too long"
        if self._held_out.near(blueprint):
            return "near a test task"
        objection = self._verifier.objection(blueprint)
        if not objection:
            self._seen.add(essence)
        return objection


def _write_tools(world: Environment[Any]) -> frozenset[str]:
    tools: tuple[ToolSpec, ...] = world.briefing(world.tasks("train")[0]).tools
    return frozenset(tool.name for tool in tools if tool.kind == "write")
