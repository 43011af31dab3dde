"""Whether a root is ours to write to, and of a version that we know.

A root is marked by `treeroll.json`, written before its first run. Files of others beside ours do no harm and are left alone; what
is refused is a root where they lie under the names that we use (`runs/`, `tables/`): there we could not tell theirs from ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice

from rollouts.errors import DataError, UsageError
from storage.layout import ROOT_RECORD, RUNS, TABLES_PREFIX, part_run, run_of, table_of
from storage.objects import MissingObject, ObjectStore
from storage.runs import list_runs
from storage.schema import SCHEMA_VERSION

_LOOKED_AT = 1_000
# objects of an unmarked root: one page of a listing; another project's would be among the first


def check_root(store: ObjectStore) -> bool:
    """Whether the root is marked as ours. Writes nothing.

    UsageError for a root in which another project's files stand where ours would; DataError for one of a newer schema.
    """
    try:
        record = store.get(ROOT_RECORD)
    except MissingObject:
        runs = set(list_runs(store))
        _refuse_foreign(store, RUNS, lambda key: run_of(key) in runs)
        _refuse_foreign(store, TABLES_PREFIX, lambda key: table_of(key) is not None and part_run(key) is not None)
        return False
    _check_version(store, record)
    return True


def claim_root(store: ObjectStore) -> None:
    """Mark the root as ours, if it may be. Raises as `check_root` does, and UsageError where nothing may be written."""
    if not check_root(store):
        record = {"format": "treeroll", "schema_version": SCHEMA_VERSION}
        store.put_if_absent(ROOT_RECORD, json.dumps(record, sort_keys=True).encode() + b"\n")


def _refuse_foreign(store: ObjectStore, prefix: str, is_ours: Callable[[str], bool]) -> None:
    for info in islice(store.list(prefix), _LOOKED_AT):
        if not is_ours(info.key):
            raise UsageError(
                f"{store.uri(info.key)} is not treeroll's, and lies where treeroll keeps its {prefix} objects; "
                "choose another storage root, or a folder below this one. Nothing was written"
            )


def _check_version(store: ObjectStore, data: bytes) -> None:
    try:
        record = json.loads(data)
        version = record["schema_version"]
        ours, newer = record["format"] == "treeroll", version > SCHEMA_VERSION
    except (ValueError, KeyError, TypeError):
        ours, newer, version = False, False, None
    if not ours:
        raise UsageError(
            f"{store.uri(ROOT_RECORD)} is not a mark that treeroll made; choose another storage root. Nothing was written"
        )
    if newer:
        raise DataError(
            f"{store.uri(ROOT_RECORD)} has schema version {version}; this treeroll reads and writes {SCHEMA_VERSION}, "
            "install the version that wrote it. Nothing was written"
        )
