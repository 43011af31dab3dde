"""What `make run` costs: wall time, peak memory of all its processes, and CPU per scripted episode.

    python -m tests.benchmarks.main_job

The whole job runs as a stranger runs it, in a process of its own; memory is the sum of the proportional set sizes of its process
tree, read every 0.2 s. CPU per episode is measured in one process, rows and Parquet included.
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.config import RunConfig, load_config
from infra.pipeline import EpisodeWorkerRecipe, open_environment, plan
from tests.benchmarks.table import print_table
from tests.end_to_end.process import COMMAND, descendants, settings, status

SAMPLE_S = 0.2
PRESET = "quickstart"
WARM_UP = 2


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        wall_s, peak_bytes = _whole_job(root)
        record = status(root)
    episodes, calls, cpu_s = asyncio.run(_cpu(load_config(PRESET, overrides=["run.pool=local", "tasks.count=12"])))
    print_table(
        ["figure", "measured", "goal"],
        [
            ("tasks", str(record["items"]["settled"]), ">= 40"),
            ("episodes, branches included", str(record["episodes"]["settled"]), ">= 2,000"),
            ("wall time, start to end", f"{wall_s:.0f} s", "<= 120 s"),
            ("peak memory, all processes", f"{peak_bytes / 2**30:.2f} GiB", "<= 3 GB"),
            ("CPU per scripted episode, all in", f"{1e3 * cpu_s / episodes:.2f} ms", "<= 15 ms"),
            ("calls per episode (a branch plays its own part only)", f"{calls / episodes:.1f}", "-"),
            ("CPU per call, all in", f"{1e3 * cpu_s / calls:.3f} ms", "-"),
            ("content hash", record["content_hash"], "-"),
        ],
    )


def _whole_job(root: str) -> tuple[float, int]:
    began, peak = time.monotonic(), 0
    process = subprocess.Popen(
        [*COMMAND, "run", PRESET, *settings([f"storage.root={root}"])], stdout=subprocess.DEVNULL
    )
    while process.poll() is None:
        peak = max(peak, sum(_memory([process.pid, *descendants(process.pid)])))
        time.sleep(SAMPLE_S)
    assert process.returncode == 0, f"the job ended with {process.returncode}"
    return time.monotonic() - began, peak


def _memory(pids: Sequence[int]) -> Iterator[int]:
    """Bytes; shared pages are divided among those that share them."""
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        yield sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


async def _cpu(config: RunConfig) -> tuple[int, int, float]:
    """Episodes, calls and CPU seconds of one worker, after a warm-up."""
    with tempfile.TemporaryDirectory() as root:
        local = config.model_copy(update={"storage": config.storage.model_copy(update={"root": root})})
        items = plan(local, open_environment(local))
        worker = EpisodeWorkerRecipe(config=local, run_id="measured", live_episodes=64).build()
        for item in items[:WARM_UP]:
            await worker.run(item)
        before, began = worker.progress(), time.process_time()
        for item in items[WARM_UP:]:
            await worker.run(item)
        cpu_s, after = time.process_time() - began, worker.progress()
        await worker.close()
    return after.episodes_settled - before.episodes_settled, after.spend.calls - before.spend.calls, cpu_s


if __name__ == "__main__":
    main()
