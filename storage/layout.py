"""Where objects lie: every key of the layout is made here.

    runs/<run>/run.json                        what the run was asked to do
    runs/<run>/markers/<item>.json             exists ⇔ the item's rows are published
    runs/<run>/failures/<item>.json            why an item without a marker has none
    tables/<table>/domain=<d>/split=<s>/run=<run>/[labeler=<l>/]<item>-<sha16>.parquet

The sha is that of the part's bytes, so a part's key is a function of its content. Partition values come from data: they
are quoted as URLs quote (a reader of Hive layouts undoes that).
"""

from __future__ import annotations

import re
from urllib.parse import quote

from rollouts.errors import UsageError

RUNS = "runs/"
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def check_run_id(run_id: str) -> str:
    if not _RUN_ID.fullmatch(run_id):
        raise UsageError(
            f"a run id is 1 to 100 letters, digits, '.', '_' or '-' and begins with a letter or digit, got {run_id!r}"
        )
    return run_id


def run_key(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/run.json"


def run_id_of(key: str) -> str | None:
    """The run whose record this key is, if it is one."""
    match key.split("/"):
        case ["runs", run_id, "run.json"]:
            return run_id
        case _:
            return None


def markers_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/markers/"


def marker_key(run_id: str, item_id: str) -> str:
    return f"{markers_prefix(run_id)}{item_id}.json"


def failures_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/failures/"


def failure_key(run_id: str, item_id: str) -> str:
    return f"{failures_prefix(run_id)}{item_id}.json"


def item_id_of(key: str) -> str:
    """The item that a marker or a failure is about."""
    return key.rpartition("/")[2].removesuffix(".json")


def part_folder(table: str, partition: tuple[tuple[str, str], ...]) -> str:
    """The folder of one partition, e.g. tables/steps/domain=retail/split=train/run=r1/."""
    return f"tables/{table}/" + "".join(f"{name}={quote(value, safe='')}/" for name, value in partition)


def part_key(folder: str, item_id: str, sha256: str) -> str:
    return f"{folder}{item_id}-{sha256[:16]}.parquet"
