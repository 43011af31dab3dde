"""A domain's database as plain JSON: goals are drawn from what is really there."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from actors.environments.blueprints.goals import Record
from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import DOMAINS

Tables = Mapping[str, Mapping[str, Record]]
# table → key → record


@functools.cache
def database(domain: str) -> Tables:
    """Read once per process; nobody changes it. For domains with one database, whose environment the caller has opened."""
    [tables] = upstream.databases(DOMAINS[domain]).values()
    held: Tables = tables
    return held
