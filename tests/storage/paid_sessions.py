"""A worker whose toy actor's answers cost something, with a journal: sessions that are stopped and gone on with."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from rollouts.branching import fork_policy
from rollouts.episode import Briefing, Conversation, Draft, PaidReply, Task, Usage
from rollouts.protocols import Cast, Journal, TreeSink
from rollouts.receipt import PoolEvent, Receipt
from rollouts.tree import Tree
from rollouts.worker import TreeWorker
from storage.journal import StoredJournal
from storage.objects import ObjectStore
from tests.toy import BRANCHING, SETTINGS, CountingSink, ToyActor, ToyCasting, ToyEnvironment, toy_item

RUN_ID = "run-1"
ITEM = toy_item()
OUTAGE_S = 60.0
REPLY = PaidReply(model="toy", prompt_tokens=10, completion_tokens=2, cost_usd=0.25)
PAID = Usage(prompt_tokens=10, completion_tokens=2, cost_usd=0.25, replies=(REPLY,))


@dataclass(slots=True)
class PaidActor:
    """A toy actor whose answers cost something; after `patience` of them, its worker is told to stop."""

    patience: int
    asked: int = 0
    worker: list[TreeWorker[object]] = field(default_factory=list)

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        self.asked += 1
        if self.asked == self.patience:
            self.worker[0].drain()
        draft = await ToyActor().act(conversation, briefing, seed=seed, feedback=feedback)
        return replace(draft, usage=PAID)


@dataclass(frozen=True, slots=True)
class PaidCasting:
    actor: PaidActor

    def cast(self, task: Task) -> Cast:
        return replace(ToyCasting().cast(task), actor=self.actor)

    async def close(self) -> None:
        return None


class KeepingSink(CountingSink):
    def __init__(self) -> None:
        self.trees: list[Tree] = []

    def write(self, tree: Tree) -> Receipt:
        timeless = {path: replace(episode, duration_s=0.0) for path, episode in tree.episodes.items()}
        self.trees.append(replace(tree, item=ITEM, episodes=timeless))
        return super().write(tree)


def paid_worker(
    actor: PaidActor, *, sink: TreeSink, journal: Journal, clock: Callable[[], float] = time.monotonic
) -> TreeWorker[object]:
    return TreeWorker(
        ToyEnvironment(),  # type: ignore[arg-type]  # its states are the worker's own affair
        casting=PaidCasting(actor),
        policy=fork_policy("every_step", BRANCHING),
        settings=SETTINGS,
        sink=sink,
        clock=clock,
        live_episodes=4,
        journal=journal,
        publish_partial=False,
        outage_s=OUTAGE_S,
    )


async def session(journal: Journal, *, patience: int = 0, again: bool = False) -> tuple[PoolEvent, int, list[Tree]]:
    """What became of the item, how often the actor was asked, and what was published."""
    actor, sink = PaidActor(patience), KeepingSink()
    worker = paid_worker(actor, sink=sink, journal=journal)
    actor.worker.append(worker)
    event = await worker.run(replace(ITEM, played_before=again))
    await worker.close()
    return event, actor.asked, sink.trees


def journal_of(store: ObjectStore, writer_id: str) -> StoredJournal:
    return StoredJournal(store, run_id=RUN_ID, writer_id=writer_id, clock=time.monotonic)
