"""A bare AsyncLLM without Ray, for `tests.benchmarks.critic`: reads a workload a line, asks its questions, prints what it took.

Run by the environment that has vLLM. Same prompts, same order and same sampling as the service, given to vLLM as text.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time

from actors.critic_settings import CriticSettings
from actors.vllm_critic import VllmEngine, open_engine
from labeling.rubric import score_messages
from tests.critic_service.workload import STATES, Workload


class Bare:
    def __init__(self, engine: VllmEngine) -> None:
        self._wrapped = engine
        self._engine = engine._engine
        self._sampling = engine._sampling
        self._asked = 0

    async def ask(self, text: str) -> None:
        self._asked += 1
        request = self._engine.generate({"prompt": text}, self._sampling, f"bare-{self._asked}")
        async for _ in request:
            pass

    async def play(self, workload: Workload) -> dict[str, float]:
        tokenizer = self._engine.get_tokenizer()
        texts = {
            (tree, state): [
                tokenizer.apply_chat_template(score_messages(asked), tokenize=False, add_generation_prompt=True)
                for asked in questions
            ]
            for tree, states in enumerate(workload.trees())
            for state, questions in enumerate(states)
        }

        async def grow(tree: int) -> None:
            for state in range(STATES):
                await asyncio.gather(*map(self.ask, texts[tree, state]))

        start = time.perf_counter()
        await asyncio.gather(*map(grow, range(workload.num_trees)))
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "questions": workload.num_questions}

    def shareable(self, workload: Workload) -> dict[str, int]:
        """Prompt tokens, and those of them that repeat a prefix of another prompt: all but the nodes of the prompts' trie."""
        prompts = sorted(
            self._wrapped.encode(score_messages(asked))
            for states in workload.trees()
            for state in states
            for asked in state
        )
        shared = sum(_common(one, next_) for one, next_ in itertools.pairwise(prompts))
        return {"prompt_tokens": sum(map(len, prompts)), "shareable": shared}


def _common(one: list[int], other: list[int]) -> int:
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


async def main() -> None:
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    # vLLM's processes print, too, in the middle of our lines
    bare = Bare(open_engine(CriticSettings(**json.loads(sys.argv[1]))))
    print("{}", file=answers)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        workload = Workload(**json.loads(line))
        print(json.dumps(await bare.play(workload) | bare.shareable(workload)), file=answers)


if __name__ == "__main__":
    asyncio.run(main())
