"""Where objects lie: every key of the layout is made here.

    treeroll.json                              this root is treeroll's
    runs/<run>/run.json                        what the run was asked to do
    runs/<run>/markers/<item>.json             exists ⇔ the item's rows are published
    runs/<run>/sealed/<sha16>.zst              copies of many markers, quicker to read
    runs/<run>/generations/<n>.json            where the rows of many items lie now
    runs/<run>/failures/<item>.json            why an item without a marker has none
    runs/<run>/leases/<epoch>/claim.json       who drives the run; beat: that it still does
    runs/<run>/journal/<writer>/<seq>.seg      what one writer's models answered, kept until their trees are published
    runs/<run>/scores/<scoring>/<n>.json       a critic's verdicts on recorded drafts, batch n (storage.scorings)
    runs/<run>/critics.json                    what the replicas of its critic did last (infra.served_critics)
    tables/<table>/domain=<d>/split=<s>/run=<run>/[labeler=<l>/]<item or "compacted">-<sha16>.parquet

The sha is that of the part's bytes, so a part's key is a function of its content. Partition values come from data: they
are quoted as URLs quote (a reader of Hive layouts undoes that).
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import quote, unquote

from rollouts.errors import UsageError

ROOT_RECORD = "treeroll.json"
RUNS = "runs/"
TABLES_PREFIX = "tables/"
COMPACTED = "compacted"
# stands in a part's key for the items that share it
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


def run_of(key: str) -> str | None:
    """The run whose folder an object would lie in."""
    match key.split("/"):
        case ["runs", run_id, _, *_] if _RUN_ID.fullmatch(run_id):
            return run_id
        case _:
            return None


def markers_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/markers/"


def marker_key(run_id: str, item_id: str) -> str:
    return f"{markers_prefix(run_id)}{item_id}.json"


def sealed_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/sealed/"


def sealed_key(run_id: str, sha256: str) -> str:
    return f"{sealed_prefix(run_id)}{sha256[:16]}.zst"


def generations_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/generations/"


def generation_key(run_id: str, number: int) -> str:
    """Keys sort as their numbers do."""
    return f"{generations_prefix(run_id)}{number:08d}.json"


def generation_number(key: str) -> int:
    return int(key.rpartition("/")[2].removesuffix(".json"))


def leases_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/leases/"


def claim_key(run_id: str, epoch: int) -> str:
    return f"{leases_prefix(run_id)}{epoch:08d}/claim.json"


def claim_epoch(key: str) -> int | None:
    """The epoch that this key claims, if it is a claim's."""
    match key.split("/"):
        case ["runs", _, "leases", epoch, "claim.json"]:
            return int(epoch)
        case _:
            return None


def beat_key(run_id: str, epoch: int) -> str:
    return f"{leases_prefix(run_id)}{epoch:08d}/beat"


def failures_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/failures/"


def failure_key(run_id: str, item_id: str) -> str:
    return f"{failures_prefix(run_id)}{item_id}.json"


def journal_prefix(run_id: str) -> str:
    return f"{RUNS}{check_run_id(run_id)}/journal/"


def segment_key(run_id: str, writer_id: str, name: str) -> str:
    return f"{journal_prefix(run_id)}{writer_id}/{name}.seg"


def item_id_of(key: str) -> str:
    """The item that a marker or a failure is about."""
    return key.rpartition("/")[2].removesuffix(".json")


@lru_cache(1024)
def part_folder(table: str, partition: tuple[tuple[str, str], ...]) -> str:
    """The folder of one partition, e.g. tables/steps/domain=retail/split=train/run=r1/."""
    return f"tables/{table}/" + "".join(f"{name}={quote(value, safe='')}/" for name, value in partition)


def part_key(folder: str, item_id: str, sha256: str) -> str:
    return f"{folder}{item_id}-{sha256[:16]}.parquet"


def table_of(key: str) -> str | None:
    """The table whose part this key is; None for what is no part's key."""
    match key.split("/"):
        case ["tables", table, *_, name] if name.endswith(".parquet"):
            return table
        case _:
            return None


def part_run(key: str) -> str | None:
    """The run that a part's key names, if it is one that a run can have."""
    run_id = partition_of(key).get("run", "")
    return run_id if _RUN_ID.fullmatch(run_id) else None


def partition_of(key: str) -> dict[str, str]:
    """The partition of a part: domain, split, run and, for labels, labeler."""
    return dict(_named(key.split("/")[2:-1]))


def _named(folders: list[str]) -> list[tuple[str, str]]:
    return [(name, unquote(value)) for name, _, value in (folder.partition("=") for folder in folders)]
