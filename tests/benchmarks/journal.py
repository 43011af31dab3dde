"""What the journal costs per answer: on the worker's loop, in all, in bytes, and when it is read again.

    python -m tests.benchmarks.journal

Answers are like those of a customer-service episode (half messages of sixty words, half tool calls, usage and one reply each), of
`--live` items at once, an item settling after a hundred answers. The store is a directory. "JSON lines" is the same answers written
one by one, as orjson's bytes, to one open file: no compression, no index, nothing ever deleted.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import orjson

from rollouts.episode import Draft, JsonValue, PaidReply, ToolCall, Usage
from storage.journal import StoredJournal
from storage.journal_files import segment_keys
from storage.journal_sweep import sweep_journal
from storage.objects import open_store
from tests.benchmarks.measure import timed
from tests.benchmarks.table import print_table

RUN_ID = "run"
ANSWERS_OF_AN_ITEM = 100
LAST_PLACE = f"t0/{ANSWERS_OF_AN_ITEM - 1}/actor/0"
ROUND_S = 0.2
# between two rounds of answers; an endpoint's latency
Given: TypeAlias = tuple[str, str, Draft]
# item, place, answer


def answer(number: int, chance: random.Random) -> Draft:
    reply = PaidReply(
        model="large-2026-08-06",
        prompt_tokens=5000 + number,
        completion_tokens=80,
        cached_tokens=4096,
        cost_usd=0.0123,
        finish_reason="stop",
        wait_s=chance.random() / 100,
        latency_s=chance.random(),
    )
    usage = Usage(
        prompt_tokens=5000 + number, completion_tokens=80, cached_tokens=4096, cost_usd=0.0123, replies=(reply,)
    )
    if number % 2:
        arguments: dict[str, JsonValue] = {
            "order_id": f"#W{chance.randrange(10**7)}",
            "item_ids": [str(chance.randrange(10**10))],
        }
        call = ToolCall(call_id=f"call_{chance.randrange(1 << 60):x}", name="get_order_details", arguments=arguments)
        return Draft(text="", tool_calls=(call,), usage=usage)
    return Draft(text=" ".join(chance.choices(WORDS, k=60)), usage=usage)


WORDS = ["".join(random.Random(seed).choices("etaoinshrdlu", k=2 + seed % 8)) for seed in range(3000)]


def workload(rounds: int, live: int) -> Iterator[list[Given]]:
    """Each round has one answer for each live item; items begin at different times."""
    chance = random.Random(1)
    for number in range(rounds):
        ages = ((number + index, index) for index in range(live))
        yield [
            (
                f"{index:016x}{age // ANSWERS_OF_AN_ITEM:016x}",
                f"t0/{age % ANSWERS_OF_AN_ITEM}/actor/0",
                answer(age, chance),
            )
            for age, index in ages
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    appending_s: float
    # CPU on the loop
    total_s: float
    # CPU of the process
    most_bytes: int
    # stored at once
    last_bytes: int


async def journaled(root: str, work: Sequence[Sequence[Given]]) -> Cost:
    journal = StoredJournal(open_store(root), run_id=RUN_ID, writer_id="w", clock=time.monotonic)
    appending_s, most_bytes = 0.0, 0
    began = time.process_time()
    for batch in work:
        start = time.thread_time()
        for item_id, place, given in batch:
            journal.append(item_id, place, given)
            if place == LAST_PLACE:
                journal.settled(item_id)
        appending_s += time.thread_time() - start
        await asyncio.sleep(ROUND_S)
        most_bytes = max(most_bytes, _stored(root))
    await journal.close()
    total_s = time.process_time() - began
    return Cost(appending_s=appending_s, total_s=total_s, most_bytes=most_bytes, last_bytes=_stored(root))


def _stored(root: str) -> int:
    return sum(path.stat().st_size for path in Path(root).rglob("*.seg"))


async def idle(rounds: int, root: str) -> float:
    """CPU of the loop doing nothing but wait, and of looking how much is stored."""
    began = time.process_time()
    for _ in range(rounds):
        await asyncio.sleep(ROUND_S)
        _stored(root)
    return time.process_time() - began


def json_lines(path: Path, work: Sequence[Sequence[Given]]) -> None:
    with path.open("ab", buffering=0) as file:
        for batch in work:
            for placed in batch:
                file.write(orjson.dumps(placed) + b"\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--live", type=int, default=256)
    options = parser.parse_args()
    work = list(workload(options.rounds, options.live))
    count = options.rounds * options.live
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "lines"
        plain, _ = timed(lambda: json_lines(lines, work))
        root = f"{folder}/root"
        Path(root).mkdir()
        cost = asyncio.run(journaled(root, work))
        total_s = cost.total_s - asyncio.run(idle(options.rounds, root))
        store = open_store(root)
        segments = len(segment_keys(store, RUN_ID))
        items = {item_id for batch in work for item_id, *_ in batch}
        sweeping, summary = timed(lambda: sweep_journal(store, RUN_ID, unsettled=items))
        reader = StoredJournal(store, run_id=RUN_ID, writer_id="r", clock=time.monotonic)
        recalling, found = timed(lambda: sum(len(reader.recall(item_id)) for item_id in summary.items))
        plain_bytes = lines.stat().st_size
    print_table(
        [f"{count:,} answers, {options.live} live items", "journal", "JSON lines"],
        [
            ["CPU on the loop, per answer", f"{cost.appending_s / count * 1e6:.1f} µs", "–"],
            ["CPU in all, per answer", f"{total_s / count * 1e6:.1f} µs", f"{plain / count * 1e6:.1f} µs"],
            ["stored, most at once", f"{cost.most_bytes / 2**20:.2f} MB", f"{plain_bytes / 2**20:.2f} MB"],
            [
                "stored at the end, segments",
                f"{cost.last_bytes / 2**20:.2f} MB, {segments}",
                f"{plain_bytes / 2**20:.2f} MB, 1",
            ],
            ["sweep, CPU per answer", f"{sweeping / max(1, found) * 1e6:.1f} µs", "–"],
            ["recall, CPU per answer", f"{recalling / max(1, found) * 1e6:.1f} µs", "–"],
        ],
    )


if __name__ == "__main__":
    main()
