"""What keeping costs: commits, writing, stored prompts, a labelling query, and resuming a long run.

    python -m tests.benchmarks.storage [--only commits,writing,query,resume] [--rows 10000000]

Delta is measured where its package is installed (pip install deltalake), which nothing else here needs.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

from tests.benchmarks.storing import commits, query, resume, writing
from tests.benchmarks.table import print_table

Line: TypeAlias = tuple[str, str, str]
# what, measured, goal


def _commits() -> list[Line]:
    whole, ours = commits.measure_ours(commits.whole_trees), commits.measure_ours()
    lines = [_committed("whole trees, all tables", whole), _committed("one table", ours)]
    if find_spec("deltalake") is None:
        return [*lines, ("Delta's transactions, one table", "not installed: pip install deltalake", "-")]
    delta = commits.measure_delta()
    ratio = ("one table: times as many as Delta's transactions", f"{ours.per_s / delta.per_s:.1f}", ">= 3")
    return [*lines, _committed("Delta's transactions, one table", delta), ratio]


def _committed(name: str, found: commits.Committed) -> Line:
    counted = f"{found.per_s:.0f} ({found.lost} lost, {found.doubled} doubled)"
    return f"8 writers × 50 commits, per second: {name}", counted, "-"


def _writing() -> list[Line]:
    apart, together = writing.throughput(together=False), writing.throughput(together=True)
    publishing_s, prompts = writing.publishing_s(), writing.prompts()
    return [
        ("rows to Parquet, tree by tree, of bare pyarrow's throughput", f"{apart.ratio:.0%}", ">= 70 %"),
        ("the same, all rows in one file a table", f"{together.ratio:.0%}", ">= 70 %"),
        ("publishing, everything included, rows per CPU second", f"{apart.num_rows / publishing_s:,.0f}", "-"),
        (
            f"{prompts.num_prompts:,} full prompts, {prompts.json_bytes / 1e6:.0f} MB of JSON, stored as",
            f"1/{prompts.ratio:.0f} of it",
            "<= 1/15",
        ),
    ]


def _query(num_rows: int) -> list[Line]:
    found = query.measure(num_rows)
    name = f"labelling {found.num_rows:,} values ({found.stored_bytes / 1e6:.0f} MB)"
    return [
        (f"{name}: time", f"{found.wall_s:.1f} s", "<= 30 s"),
        (f"{name}: memory", f"{found.peak_bytes / 1e9:.1f} GB", "<= 4 GB"),
    ]


def _resume() -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        cases = [(1_000, False), (25_000, True), (25_000, False)]
        found = [resume.measure(Path(folder), items=items, sealed=sealed) for items, sealed in cases]
    return [
        (
            f"resume, {resume.EPISODES:,} episodes settled in {each.items:,} trees{', sealed' if each.sealed else ''}: first call",
            f"{each.first_call_s:.1f} s ({each.cpu_s:.1f} s CPU)",
            "<= 10 s",
        )
        for each in found
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="commits,writing,query,resume")
    parser.add_argument("--rows", type=int, default=query.ROWS, help="of the query")
    chosen = parser.parse_args()
    parts: Mapping[str, Callable[[], list[Line]]] = {
        "commits": _commits,
        "writing": _writing,
        "query": partial(_query, chosen.rows),
        "resume": _resume,
    }
    print_table(("storage", "measured", "goal"), [line for name in chosen.only.split(",") for line in parts[name]()])


if __name__ == "__main__":
    main()
