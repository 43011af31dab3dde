"""What the benchmark's domains are, one description each. All other facts are read from the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rollouts.episode import ToolKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    name: str
    tables: tuple[str, ...]
    # of the database, one JSON file each, in the order of upstream's own loader
    unwritten: frozenset[str]
    # tables that no tool is known to write to: they are lent as they are. A write to one costs time, nothing else
    splits: Mapping[str, str]
    # split → "module:attribute" of its tasks, below the domain's package
    kinds: Mapping[str, ToolKind]
    # of the tools known not to write. Any other tool is run as one that may
    ends: frozenset[str] = frozenset({"transfer_to_human_agents"})
    # tools that end the episode, whatever they answer


RETAIL = Domain(
    name="retail",
    tables=("orders", "products", "users"),
    unwritten=frozenset({"products"}),
    splits={
        "train": "tasks_train:TASKS_TRAIN",
        "test": "tasks_test:TASKS_TEST",
        "dev": "tasks_dev:TASKS_DEV",
    },
    kinds={
        "find_user_id_by_email": "read",
        "find_user_id_by_name_zip": "read",
        "get_order_details": "read",
        "get_product_details": "read",
        "get_user_details": "read",
        "list_all_product_types": "read",
        "transfer_to_human_agents": "transfer",
        "calculate": "other",
        "think": "other",
    },
)

AIRLINE = Domain(
    name="airline",
    tables=("flights", "reservations", "users"),
    unwritten=frozenset({"flights"}),
    splits={"test": "tasks_test:TASKS"},
    kinds={
        "get_reservation_details": "read",
        "get_user_details": "read",
        "list_all_airports": "read",
        "search_direct_flight": "read",
        "search_onestop_flight": "read",
        "transfer_to_human_agents": "transfer",
        "calculate": "other",
        "think": "other",
    },
)

DOMAINS = {domain.name: domain for domain in (RETAIL, AIRLINE)}
