"""Writing: rows to Parquet against bare pyarrow, and what full prompts cost when they are stored as steps."""

from __future__ import annotations

import asyncio
import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from actors.chat_messages import actor_messages, wire_tools
from infra.casting import casting
from infra.config import RunConfig, load_config
from infra.launch import prepare
from infra.pipeline import branching, labelling, open_environment, plan, play_settings, stamp
from labeling.records import Conclusions
from rollouts.branching import fork_policy
from rollouts.episode import Briefing
from rollouts.protocols import Environment, NoJournal, Publish
from rollouts.receipt import Progress, Receipt
from rollouts.tree import Tree
from rollouts.worker import TreeWorker
from storage.item_rows import ItemRows
from storage.markers import read_markers
from storage.objects import open_store
from storage.parts import ZSTD_LEVEL, encode_rows, file_schema
from storage.reader import item_conversations
from storage.rows import Row, tree_tables
from storage.runs import read_run
from storage.schema import TABLES
from storage.writer import ParquetSink
from tests.benchmarks.measure import timed

TASKS, ROUNDS = 12, 5
RUN_ID = "written"


@dataclass(slots=True)
class _Keep:
    """A sink that keeps the trees."""

    trees: list[Tree] = field(default_factory=list)

    def prepare(self, tree: Tree) -> Publish:
        self.trees.append(tree)
        return lambda: Receipt(item_id=tree.item.item_id, progress=Progress(), rows={}, row_hash={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    config: RunConfig
    world: Environment[Any]
    trees: list[Tree]

    def write_all(self, root: str) -> None:
        sink = ParquetSink(open_store(root), stamp(self.config, RUN_ID, self.world), labelling(self.config))
        for tree in self.trees:
            sink.write(tree)

    def tables(self) -> list[dict[str, list[Row]]]:
        of_run, conclude = stamp(self.config, RUN_ID, self.world), labelling(self.config)
        return [tree_tables(tree, *Conclusions(*conclude(tree)), of_run) for tree in self.trees]


@cache
def played() -> Played:
    """The quickstart's first trees."""
    return asyncio.run(_play())


async def _play() -> Played:
    config = load_config("quickstart", overrides=["run.pool=local", f"tasks.count={TASKS}"])
    world, kept = open_environment(config), _Keep()
    worker: TreeWorker[Any] = TreeWorker(
        world,
        casting=casting(config, worker="w", leases=None, served_critic=None),
        policy=fork_policy(config.branching.policy, branching(config)),
        settings=play_settings(config),
        sink=kept,
        clock=time.monotonic,
        live_episodes=64,
        journal=NoJournal(),
        publish_partial=False,
        outage_s=60.0,
    )
    for item in plan(config, world):
        await worker.run(item)
    await worker.close()
    return Played(config=config, world=world, trees=kept.trees)


# -- throughput -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    num_rows: int
    ours_s: float
    bare_s: float

    @property
    def ratio(self) -> float:
        return self.bare_s / self.ours_s


def throughput(*, together: bool) -> Throughput:
    """CPU seconds from rows to Parquet bytes, the least of some rounds: by trees, as workers write them, or all rows `together`."""
    tables = played().tables()
    if together:
        tables = [{table: [row for tree in tables for row in tree[table]] for table in TABLES}]
    work = [(table, rows) for tree in tables for table, rows in tree.items() if rows]
    return Throughput(
        num_rows=sum(len(rows) for _, rows in work),
        ours_s=_least(lambda: [encode_rows(table, rows) for table, rows in work]),
        bare_s=_least(lambda: [_bare(table, rows) for table, rows in work]),
    )


def publishing_s() -> float:
    """CPU seconds of publishing all trees into a directory in memory: labels, rows, hashes, Parquet, markers."""

    def publish() -> None:
        with tempfile.TemporaryDirectory(dir="/dev/shm") as root:
            played().write_all(root)

    return _least(publish)


def _bare(table: str, rows: list[Row]) -> bytes:
    sink = io.BytesIO()
    arrow = pa.Table.from_pylist(rows, schema=file_schema(table))
    pq.write_table(arrow, sink, compression="zstd", compression_level=ZSTD_LEVEL)
    return sink.getvalue()


def _least(work: Callable[[], object]) -> float:
    work()
    return min(timed(work)[0] for _ in range(ROUNDS))


# -- full prompts -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompts:
    num_prompts: int
    json_bytes: int
    # of every step's prompt: policy, tools and conversation
    stored_bytes: int
    # of everything that makes them again: the tables steps and episodes, and the run's record

    @property
    def ratio(self) -> float:
        return self.json_bytes / self.stored_bytes


def prompts() -> Prompts:
    """Every prompt that the actor was given, rebuilt from what is stored."""
    with tempfile.TemporaryDirectory() as root:
        prepare(_at(root), name=RUN_ID, run_id=RUN_ID)
        played().write_all(root)
        store = open_store(root)
        found, rows = read_run(store, RUN_ID).briefings[0], ItemRows(store, RUN_ID)
        briefing = Briefing(policy=found.policy, tools=found.tools, user_instructions="")
        sizes = []
        for marker in read_markers(store, RUN_ID):
            conversations = item_conversations(rows, marker)
            steps = rows.read(marker, "steps", columns=["episode_path", "step"]).to_pylist()
            for step in steps:
                before = conversations.before(step["episode_path"], step["step"])
                body = {"messages": actor_messages(before, briefing), "tools": wire_tools(briefing.tools)}
                sizes.append(len(orjson.dumps(body, default=dict)))
        stored = [*Path(root).glob("tables/steps/**/*.parquet"), *Path(root).glob("tables/episodes/**/*.parquet")]
        stored += Path(root).glob("runs/*/run.json")
        return Prompts(
            num_prompts=len(sizes), json_bytes=sum(sizes), stored_bytes=sum(path.stat().st_size for path in stored)
        )


def _at(root: str) -> RunConfig:
    config = played().config
    return config.model_copy(update={"storage": config.storage.model_copy(update={"root": root})})
