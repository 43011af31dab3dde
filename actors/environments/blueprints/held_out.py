"""Keeping generated tasks away from the official test split.

A task is near a test task when it is the same customer's and concerns a record that the test task names (any, where it names
none), or when it writes exactly what the test task writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.environments.blueprints.goals import Blueprint, C, Record, Shop
from rollouts.episode import Task, ToolCall
from rollouts.identity import canonical_json

_TOKEN = re.compile(r"#?[\w.+-]+(?:@[\w.-]+\w)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutTask:
    task_id: str
    customers: frozenset[str]
    # user ids
    records: frozenset[str]
    # keys of the orders, reservations and profiles that it names
    writes: frozenset[str]


class HeldOut:
    """The test tasks of one domain."""

    def __init__(self, tasks: Iterable[Task], shop: Shop[C], *, write_tools: frozenset[str]) -> None:
        self._tools = write_tools
        self.tasks: Sequence[HeldOutTask] = [self._read(task, shop) for task in tasks]

    def near(self, blueprint: Blueprint) -> bool:
        writes = as_set(blueprint.writes)
        return any(_same_matter(blueprint, task) or bool(writes and writes == task.writes) for task in self.tasks)

    def _read(self, task: Task, shop: Shop[C]) -> HeldOutTask:
        told = canonical_json(task.data)
        tokens = set(_TOKEN.findall(told))
        records = frozenset(tokens & (shop.owners.keys() | shop.profiles.keys()))
        owners = {shop.owners.get(record, record) for record in records}
        named = {name for name, profile in shop.profiles.items() if _is_named(profile, told.lower())}
        return HeldOutTask(
            task_id=task.task_id,
            customers=frozenset(owners | named),
            records=records,
            writes=as_set(gold_writes(task, self._tools)),
        )


def gold_writes(task: Task, write_tools: frozenset[str]) -> list[ToolCall]:
    """Of a τ² task's gold actions, those that write."""
    record: Mapping[str, Any] = task.data
    return [
        ToolCall(call_id="", name=action["name"], arguments=action["arguments"])
        for action in record["evaluation_criteria"]["actions"] or ()
        if action["name"] in write_tools
    ]


def as_set(calls: Iterable[ToolCall]) -> frozenset[str]:
    return frozenset(f"{call.name}{canonical_json(call.arguments)}" for call in calls)


def _same_matter(blueprint: Blueprint, task: HeldOutTask) -> bool:
    if blueprint.customer not in task.customers:
        return False
    return bool(blueprint.subjects & task.records) or not task.records


def _is_named(profile: Record, told: str) -> bool:
    """By email, or by first and last name with the zip code, or by the full name."""
    first, last = profile["name"]["first_name"].lower(), profile["name"]["last_name"].lower()
    with_zip = first in told and last in told and str(profile["address"]["zip"]) in told
    return with_zip or f"{first} {last}" in told or profile["email"].lower() in told
