"""What the orchestration of live episodes costs: CPU per LLM call, efficiency against the latency, memory, calls lost to a kill.

    python -m tests.benchmarks.orchestration [--only cpu,scale,kill] [--rounds 3]

Every episode is τ² retail with its policy and all its tools: fifteen calls, one after the other, to a server in another process
that answers after a fixed latency and whose CPU is not counted. All episodes begin at once. Everything is on: environment, user,
rate control, journal, Parquet. The CPU is that of all processes of the run, Ray's included, between the first launch and the last
receipt, less what the same processes take in that time when nothing is played. Efficiency is the time that the latency alone
would take, divided by the time it took. Beside each load stands what bare aiohttp needs for calls of the same size, measured just
before: machines differ, and so does one machine from minute to minute. Each figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import aiohttp
import orjson
import uvloop

from actors.chat_messages import actor_messages, wire_tools
from infra.config import RunConfig, load_config
from infra.launch import prepare
from infra.pipeline import max_items_out, open_environment, worker_pool
from rollouts.budget import Budget
from rollouts.driver import Observer, drive
from rollouts.episode import Failure, UserMessage
from rollouts.protocols import WorkerPool
from rollouts.receipt import Progress, Receipt, WorkItem
from rollouts.scheduler import Scheduler, SchedulerSettings
from tests.benchmarks.llm_server import CALLS_PER_EPISODE
from tests.benchmarks.table import print_table
from tests.end_to_end.process import COMMAND, descendants, settings
from tests.needs import REPOSITORY

TRUNKS = 4
# plays of a task, as many as the configuration's default; a tree is published as a whole
MOST_TASKS = 64
WARM_UP = 8
# tasks that are played first, in the same processes: what is loaded once is not a cost of a call
IDLE_S = 3.0
FLOOR_EPISODES, FLOOR_LATENCY_S = 256, 0.2
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How much is played at once."""

    live: int
    # episodes at once
    latency_s: float
    workers: int
    waves: int = 1
    # episodes one after another, in the place of each live one

    @property
    def tasks(self) -> int:
        return min(MOST_TASKS, self.live // TRUNKS)

    @property
    def episodes(self) -> int:
        return self.waves * self.live

    @property
    def ideal_s(self) -> float:
        return self.waves * CALLS_PER_EPISODE * self.latency_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Floor:
    """What bare aiohttp and orjson take, in one process that does nothing else."""

    call_s: float
    # CPU of one call
    efficiency: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    load: Load
    wall_s: float
    call_s: float
    # CPU of one call
    floor: Floor
    bytes_held: int


def cells(rounds: Sequence[Measured]) -> list[str]:
    load = rounds[0].load
    return [
        f"{load.live:,}",
        str(load.waves),
        f"{load.latency_s:g} s",
        str(load.workers),
        f"{1e3 * median(each.call_s for each in rounds):.2f} ms",
        f"{1e3 * median(each.floor.call_s for each in rounds):.2f} ms",
        f"{median(load.ideal_s / each.wall_s for each in rounds):.2f}",
        f"{median(each.floor.efficiency for each in rounds):.2f}",
        f"{max(each.bytes_held for each in rounds) / load.live / 1e3:.0f} kB",
    ]


# -- the endpoint -----------------------------------------------------------------------------------------------------


@contextmanager
def endpoint(latency_s: float) -> Iterator[str]:
    command = [sys.executable, "-m", "tests.benchmarks.llm_server", "--latency-s", str(latency_s)]
    command += ["--product-id", _a_product()]
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def answered(url: str) -> int:
    with urlopen(url, timeout=10) as response:
        return int(response.read())


def _a_product() -> str:
    from rollouts.episode import ToolCall

    world = open_environment(load_config("tau2_retail"))
    state = world.initial(world.tasks("train")[0])
    call = ToolCall(call_id="c", name="list_all_product_types", arguments={})
    products: dict[str, str] = orjson.loads(world.apply(state, call).content)
    return next(iter(products.values()))


def configured(url: str, root: str, load: Load) -> RunConfig:
    return load_config("tau2_retail", overrides=overrides(url, root, load))


def overrides(url: str, root: str, load: Load) -> list[str]:
    roles = [f"{role}.{key}={value}" for role in ("actor", "user") for key, value in _role(role, url).items()]
    return [
        *roles,
        f"tasks.count={load.tasks + WARM_UP}",
        f"branching.trunks={load.episodes // load.tasks}",
        'branching.policy="none"',
        f"run.workers={load.workers}",
        f"run.max_in_flight={load.live}",
        f"storage.root={root}",
        "limits.calls=0",
        "limits.cost_usd=0.0",
    ]


def _role(role: str, url: str) -> dict[str, str]:
    return {"kind": '"chat"', "base_url": f'"{url}/v1"', "model": f'"{role}"', "api_key_env": '""'}


# -- one load ---------------------------------------------------------------------------------------------------------


def measure(load: Load) -> Measured:
    from actors.ray_workers.cluster import cluster

    below = floor(min(FLOOR_EPISODES, load.live), FLOOR_LATENCY_S)
    with endpoint(load.latency_s) as url, tempfile.TemporaryDirectory() as root:
        config = configured(url, root, load)
        with cluster(workers=load.workers):
            return uvloop.run(_measure(config, load, below))


async def _measure(config: RunConfig, load: Load, below: Floor) -> Measured:
    prepared = prepare(config, name="orchestration")
    books = _Books()
    async with worker_pool(config, prepared.run_id) as pool:
        await _play(prepared.items[:WARM_UP], pool, config, _Books())
        cpu = _cpu_s()
        await asyncio.sleep(IDLE_S)
        idle = (_cpu_s() - cpu) / IDLE_S
        with sampled() as sample:
            cpu, began = _cpu_s(), time.monotonic()
            await _play(prepared.items[WARM_UP:], pool, config, books)
            wall_s, cpu_s = time.monotonic() - began, _cpu_s() - cpu
    spend, settled = books.total.spend, books.total.episodes_settled
    assert (settled, spend.calls) == (load.episodes, CALLS_PER_EPISODE * load.episodes), (settled, spend)
    call_s = (cpu_s - idle * wall_s) / spend.calls
    return Measured(load=load, wall_s=wall_s, call_s=call_s, floor=below, bytes_held=sample.peak - sample.first)


async def _play(items: Sequence[WorkItem], pool: WorkerPool, config: RunConfig, books: _Books) -> None:
    scheduler = Scheduler(items, SchedulerSettings(max_launched=max_items_out(config)))
    stop = await drive(scheduler, pool, budget=Budget(), before=Progress(), observer=books.observer())
    assert stop is None, stop
    assert not books.failures, books.failures[0]


class _Books:
    def __init__(self) -> None:
        self.total = Progress()
        self.failures: list[Failure] = []

    def observer(self) -> Observer:
        return Observer(on_progress=lambda progress: None, on_settled=self._settled, on_failed=self._failed)

    def _settled(self, receipt: Receipt) -> None:
        self.total += receipt.progress

    def _failed(self, item: WorkItem, failure: Failure) -> None:
        self.failures.append(failure)


class _Sample:
    def __init__(self) -> None:
        self.first = self.peak = _held_bytes()


@contextmanager
def sampled() -> Iterator[_Sample]:
    """The memory of all processes at the beginning, and the most it came to."""
    sample, done = _Sample(), threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLE_S * 4):
            sample.peak = max(sample.peak, _held_bytes())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield sample
    finally:
        done.set()
        thread.join()


def _family() -> list[int]:
    """This process and everything below it but the endpoint."""
    return [os.getpid(), *(pid for pid, line in descendants(os.getpid()).items() if "llm_server" not in line)]


def _held_bytes() -> int:
    total = 0
    for pid in _family():
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096
    return total


def _cpu_s() -> float:
    ticks = 0
    for pid in _family():
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS_PER_S


# -- the floor --------------------------------------------------------------------------------------------------------


def floor(episodes: int, latency_s: float) -> Floor:
    """With prompts of the same size, `episodes` at once."""
    with endpoint(latency_s) as url:
        return uvloop.run(_floor(url, episodes, latency_s))


async def _floor(url: str, episodes: int, latency_s: float) -> Floor:
    world = open_environment(load_config("tau2_retail"))
    briefing = world.briefing(world.tasks("train")[0])
    conversation = tuple(UserMessage(text="Hello, I would like to return something. " * 20) for _ in range(10))
    body = {
        "model": "actor",
        "messages": actor_messages(conversation, briefing),
        "tools": wire_tools(briefing.tools),
    }
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def episode() -> None:
            for _ in range(CALLS_PER_EPISODE):
                data = orjson.dumps(body, default=dict)
                async with session.post(f"{url}/v1/chat/completions", data=data) as response:
                    orjson.loads(await response.read())

        await asyncio.gather(*(episode() for _ in range(episodes)))
        cpu, began = time.process_time(), time.monotonic()
        await asyncio.gather(*(episode() for _ in range(episodes)))
        wall_s = time.monotonic() - began
        call_s = (time.process_time() - cpu) / (episodes * CALLS_PER_EPISODE)
        return Floor(call_s=call_s, efficiency=CALLS_PER_EPISODE * latency_s / wall_s)


# -- a kill -----------------------------------------------------------------------------------------------------------


def killed(load: Load, in_flight: int) -> tuple[int, int]:
    """Calls that were answered when everything was killed at half time and resumed; calls of an undisturbed run."""
    needed = CALLS_PER_EPISODE * load.episodes * (load.tasks + WARM_UP) // load.tasks
    with endpoint(load.latency_s) as url, tempfile.TemporaryDirectory() as root:
        chosen = [*overrides(url, root, load), f"run.max_in_flight={in_flight}"]
        command = [*COMMAND, "run", "tau2_retail", "--run-id", "killed", *settings(chosen)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        while answered(url) < needed // 2:
            assert process.poll() is None, "the run ended before half of its calls were answered"
            time.sleep(0.02)
        for pid in [process.pid, *descendants(process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        time.sleep(2 * load.latency_s)
        subprocess.run([*COMMAND, "resume", "killed", "--root", root], check=True, stdout=subprocess.DEVNULL)
        return answered(url), needed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="cpu,scale,kill")
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    parts = chosen.only.split(",")
    heading = [
        "live episodes",
        "waves",
        "latency",
        "workers",
        "CPU per call",
        "bare aiohttp",
        "efficiency",
        "bare aiohttp",
        "memory per episode",
    ]
    loads = {
        "cpu": [
            (64, 0.2, 1, 1),
            (64, 0.2, 2, 1),
            (256, 0.2, 1, 1),
            (256, 0.2, 2, 1),
            (64, 0.2, 2, 4),
            (256, 0.2, 2, 4),
        ],
        "scale": [(1024, 1.0, 2, 1), (2048, 2.0, 2, 1), (4096, 5.0, 2, 1)],
    }
    wanted = [
        Load(live=live, latency_s=latency_s, workers=workers, waves=waves)
        for part in parts
        for live, latency_s, workers, waves in loads.get(part, [])
    ]
    if wanted:
        print_table(heading, [cells([measure(load) for _ in range(chosen.rounds)]) for load in wanted])
    if "kill" in parts:
        made, needed = killed(Load(live=2560, latency_s=0.2, workers=2), in_flight=256)
        print(
            f"\nkill -9 of every process at half time, then resume: {made:,} calls answered, {needed:,} needed: "
            f"{(made - needed) / needed:.1%} thrown away"
        )


if __name__ == "__main__":
    main()
