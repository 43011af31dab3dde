"""How long a resumed run with a hundred thousand settled episodes takes to ask its first new question.

The run is made up: its record is the product's own, and every item but the last few has a marker whose parts are not
there (resuming
reads no part). Then `treeroll resume` is typed, and the endpoint tells when it is asked.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.config import load_config
from infra.launch import prepare
from rollouts.episode import Spend
from rollouts.receipt import Progress, WorkItem
from storage.layout import marker_key, part_folder, part_key
from storage.markers import Marker, marker_to_bytes
from storage.objects import open_store
from storage.parts import Part
from storage.schema import CONTENT_TABLES, SCHEMA_VERSION, TABLES
from storage.sealing import seal
from tests.benchmarks.orchestration import TICKS_PER_S, answered, endpoint
from tests.end_to_end.process import COMMAND, treeroll

EPISODES = 100_000
RUN_ID = "long"
UNSETTLED = 8
DISTINCT_TASKS = 200
LATENCY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    items: int
    sealed: bool
    first_call_s: float
    # from typing the command
    cpu_s: float
    # of the process until then: what other work on the machine does not change


def measure(folder: Path, *, items: int, sealed: bool) -> Resumed:
    """`items` trees of EPISODES / items episodes each."""
    root, source = folder / f"root-{items}-{sealed}", folder / f"tasks-{items}.jsonl"
    if not source.exists():
        _make_tasks(source, items)
    with endpoint(LATENCY_S) as url:
        overrides = _overrides(url, root, source)
        prepared = prepare(load_config("smoke", overrides=overrides), name=RUN_ID, run_id=RUN_ID)
        _settle(root, prepared.items[:-UNSETTLED], episodes=EPISODES // items)
        if sealed:
            seal(open_store(str(root)), RUN_ID)
        first_call_s, cpu_s = _first_call(url, root)
        return Resumed(items=items, sealed=sealed, first_call_s=first_call_s, cpu_s=cpu_s)


def _first_call(url: str, root: Path) -> tuple[float, float]:
    began = time.monotonic()
    with subprocess.Popen([*COMMAND, "resume", RUN_ID, "--root", str(root)], stdout=subprocess.DEVNULL) as process:
        while not answered(url):
            assert process.poll() is None, f"treeroll resume ended with {process.returncode} before it asked anything"
            time.sleep(0.02)
        took_s, cpu_s = time.monotonic() - began, _cpu_s(process.pid)
        process.kill()
    return took_s, cpu_s


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _overrides(url: str, root: Path, source: Path) -> list[str]:
    roles = {
        f"{role}.{key}": value
        for role in ("actor", "user")
        for key, value in (("kind", "chat"), ("base_url", f"{url}/v1"), ("model", role))
    }
    chosen = {"storage.root": str(root), "tasks.source": str(source), "tasks.count": "0", **roles}
    return [f"{key}={value}" for key, value in chosen.items()]


# -- the run that was -------------------------------------------------------------------------------------------------


def _make_tasks(path: Path, count: int) -> None:
    """Many tasks from a few: copies under other names, so that making them takes no hours."""
    few = path.with_name("few.jsonl")
    made = treeroll("tasks", "make", "--domain", "retail", "--count", str(DISTINCT_TASKS), "--out", str(few), "--force")
    assert made.returncode == 0, made.stderr
    originals = [json.loads(line) for line in few.read_text().splitlines()]
    with path.open("w") as file:
        for number in range(count):
            file.write(json.dumps(originals[number % len(originals)] | {"task_id": f"copy-{number}"}) + "\n")


def _settle(root: Path, items: Sequence[WorkItem], *, episodes: int) -> None:
    """Written past the store, which would sync each to the disk."""
    for item in items:
        path = root / marker_key(RUN_ID, item.item_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(marker_to_bytes(_marker(item.item_id, episodes)))


def _marker(item_id: str, episodes: int) -> Marker:
    def digest(table: str) -> str:
        return hashlib.sha256(f"{item_id}{table}".encode()).hexdigest()

    partition = (("domain", "retail"), ("split", "train"), ("run", RUN_ID))
    parts = tuple(
        Part(
            table=table,
            key=part_key(part_folder(table, partition), item_id, digest(table)),
            sha256=digest(table),
            num_bytes=10_000,
            num_rows=episodes,
        )
        for table in CONTENT_TABLES
    )
    spend = Spend(actor_calls=11 * episodes, user_calls=4 * episodes, prompt_tokens=7_000, completion_tokens=60)
    return Marker(
        item_id=item_id,
        run_id=RUN_ID,
        schema_version=SCHEMA_VERSION,
        parts=parts,
        row_hash={table: digest(table)[:32] for table in TABLES},
        progress=Progress(episodes_planned=episodes, episodes_settled=episodes, spend=spend),
        early_stop=False,
    )
