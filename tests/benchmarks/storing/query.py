"""A labelling query over ten million rows of `values`: `python -m tests.benchmarks.storing.query ROOT` runs it alone.

Every action is compared with its best sibling by the interval of the difference, and the labels are written as Parquet. The rows
are made up: three actions a fork, sixteen rollouts each; keys are random bytes, as real ones are.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from rollouts.receipt import Progress
from storage.content_hash import NO_ROWS
from storage.layout import part_folder
from storage.markers import Marker, create_marker
from storage.objects import ObjectStore, open_store
from storage.parts import ROW_GROUP_ROWS, file_schema, part_of, part_writer
from storage.reader import scan
from storage.runs import create_run
from storage.schema import SCHEMA_VERSION, TABLES
from tests.needs import REPOSITORY
from tests.storage.trees import run_record

ROWS, PART_ROWS, WIDTH, ROLLOUTS, DELTA = 10_000_000, 99_999, 3, 16, 0.2
FORKS_A_TREE = 50
PLACE = ["item_id", "fork_path"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queried:
    num_rows: int
    stored_bytes: int
    wall_s: float
    peak_bytes: int
    # of the process that ran the query


def measure(num_rows: int = ROWS) -> Queried:
    with tempfile.TemporaryDirectory() as root:
        written = _write(open_store(root), num_rows)
        stored = sum(path.stat().st_size for path in Path(root).rglob("*.parquet"))
        process = subprocess.Popen([sys.executable, "-m", __name__, root], cwd=REPOSITORY, stdout=subprocess.PIPE)
        assert process.stdout is not None
        answer = process.stdout.read().decode()
        _, code, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(code)
        assert process.returncode == 0, answer
        labelled, wall_s = answer.split()
        assert int(labelled) == written
        return Queried(
            num_rows=written, stored_bytes=stored, wall_s=float(wall_s), peak_bytes=1024 * int(used.ru_maxrss)
        )


# -- the query --------------------------------------------------------------------------------------------------------


def labels(root: str) -> pl.LazyFrame:
    values = scan(root, "values").select(*PLACE, "action_index", "n", "mean")
    best = values.group_by(PLACE).agg(
        pl.col("mean").max().alias("best_mean"), pl.col("n").sort_by("mean").last().alias("best_n")
    )
    gain = pl.col("best_mean") - pl.col("mean")
    half = 1.96 * (_variance("mean", "n") + _variance("best_mean", "best_n")).sqrt()
    label = (
        pl.when((gain >= DELTA) & (gain - half > 0))
        .then(pl.lit("revise"))
        .when(gain + half < DELTA)
        .then(pl.lit("approve"))
        .otherwise(pl.lit("abstain"))
    )
    return values.join(best, on=PLACE).select(*PLACE, "action_index", gain.alias("gain"), label.alias("label"))


def _variance(mean: str, count: str) -> pl.Expr:
    """Of a success rate, by one success and one failure more than were seen: never 0."""
    rate = (pl.col(mean) * pl.col(count) + 1) / (pl.col(count) + 2)
    return rate * (1 - rate) / (pl.col(count) + 2)


def main() -> None:
    root = sys.argv[1]
    began = time.monotonic()
    target = Path(root, "labels.parquet")
    labels(root).sink_parquet(target, engine="streaming")
    num_rows = pl.scan_parquet(target).select(pl.len()).collect().item()
    print(num_rows, f"{time.monotonic() - began:.2f}")


# -- the rows ---------------------------------------------------------------------------------------------------------


def _write(store: ObjectStore, num_rows: int) -> int:
    """Number of rows written: whole parts, one for each item's marker."""
    create_run(store, run_record(1))
    chance, written = np.random.default_rng(0), 0
    for part in range(-(-num_rows // PART_ROWS)):
        _publish(store, f"{part:032x}", _encode(_rows(chance, part)))
        written += PART_ROWS
    return written


def _publish(store: ObjectStore, item_id: str, data: bytes) -> None:
    folder = part_folder("values", (("domain", "retail"), ("split", "train"), ("run", "run-1")))
    part = part_of("values", folder, item_id, data, num_rows=PART_ROWS)
    store.put(part.key, data)
    marker = Marker(
        item_id=item_id,
        run_id="run-1",
        schema_version=SCHEMA_VERSION,
        parts=(part,),
        row_hash=dict.fromkeys(TABLES, NO_ROWS),
        progress=Progress(),
        early_stop=False,
    )
    create_marker(store, marker)


def _encode(rows: pl.DataFrame) -> bytes:
    sink = io.BytesIO()
    with part_writer("values", sink) as writer:
        writer.write_table(rows.to_arrow().cast(file_schema("values")), row_group_size=ROW_GROUP_ROWS)
    return sink.getvalue()


def _rows(chance: np.random.Generator, part: int) -> pl.DataFrame:
    fork, action = np.repeat(np.arange(PART_ROWS // WIDTH), WIDTH), np.tile(np.arange(WIDTH), PART_ROWS // WIDTH)
    trees = [_tree(number) for number in range(part * PART_ROWS, part * PART_ROWS + PART_ROWS // FORKS_A_TREE)]
    state_keys = _keys(chance, PART_ROWS // WIDTH)
    successes = chance.binomial(ROLLOUTS, chance.beta(1, 1, PART_ROWS)).astype(float)
    mean = successes / ROLLOUTS
    order = chance.integers(0, 10**7, PART_ROWS)
    varying: dict[str, Any] = {
        "item_id": [trees[number // FORKS_A_TREE] for number in fork],
        "task_id": fork // FORKS_A_TREE % 500,
        "fork_path": [f"t0.s{number % FORKS_A_TREE}" for number in fork],
        "step": fork % FORKS_A_TREE,
        "state_key": [state_keys[number] for number in fork],
        "action_index": action,
        "action_key": _keys(chance, PART_ROWS),
        "action": [_action(int(number)) for number in order],
        "is_trunk_action": action == 0,
        "successes": successes,
        "mean": mean,
        "lower": np.maximum(0, mean - 0.2),
        "upper": np.minimum(1, mean + 0.2),
    }
    return pl.DataFrame(list(_columns(varying)))


def _columns(varying: Mapping[str, Any]) -> Iterator[pl.Series]:
    """Every column of the table; what does not vary is the same in every row."""
    for name, kind in pl.Schema(file_schema("values")).items():
        if name not in varying:
            yield pl.Series(name, [_SAME.get(name, _OF_TYPE[kind.base_type()])] * PART_ROWS, dtype=kind)
        else:
            yield pl.Series(name, varying[name]).cast(kind)


_SAME: dict[str, object] = {"run_id": "run-1", "episode_path": "t0", "n": ROLLOUTS, "schema_version": SCHEMA_VERSION}
_OF_TYPE: dict[object, object] = {
    pl.String: "retail",
    pl.Int32: 1,
    pl.Int64: 1,
    pl.Float64: 1.0,
    pl.Boolean: False,
    pl.List: ["DB"],
}


def _tree(number: int) -> str:
    return hashlib.blake2b(b"%d" % number, digest_size=16).hexdigest()


def _keys(chance: np.random.Generator, count: int) -> list[bytes]:
    drawn = chance.bytes(16 * count)
    return [drawn[start : start + 16] for start in range(0, len(drawn), 16)]


def _action(order: int) -> str:
    arguments = f'{{"order_id":"#W{order:07d}","payment_method_id":"credit_card_{order % 9973}"}}'
    return f'{{"text":"","tool_calls":[{{"name":"return_delivered_order_items","arguments":{arguments}}}]}}'


if __name__ == "__main__":
    main()
