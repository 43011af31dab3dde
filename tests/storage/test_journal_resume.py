"""A worker with a stored journal, stopped and started again: nothing is paid for twice, and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from rollouts.branching import fork_policy
from rollouts.episode import Briefing, Conversation, Draft, PaidReply, Spend, Task, Usage
from rollouts.protocols import Cast, Journal, NoJournal
from rollouts.receipt import Paused, PoolEvent, Receipt, Settled
from rollouts.tree import Tree
from rollouts.worker import TreeWorker
from storage.journal import StoredJournal
from storage.journal_files import segment_keys
from storage.journal_sweep import sweep_journal
from storage.objects import ObjectStore, open_store
from tests.toy import BRANCHING, SETTINGS, CountingSink, ToyActor, ToyCasting, ToyEnvironment, toy_item

RUN_ID = "run-1"
ITEM = toy_item()
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


async def session(journal: Journal, *, patience: int = 0, again: bool = False) -> tuple[PoolEvent, int, list[Tree]]:
    """What became of the item, how often the actor was asked, and what was published."""
    actor, sink = PaidActor(patience), KeepingSink()
    worker: TreeWorker[object] = TreeWorker(
        ToyEnvironment(),  # type: ignore[arg-type]  # its states are the worker's own affair
        casting=PaidCasting(actor),
        policy=fork_policy("every_step", BRANCHING),
        settings=SETTINGS,
        sink=sink,
        clock=time.monotonic,
        live_episodes=4,
        journal=journal,
        publish_partial=False,
        outage_s=60.0,
    )
    actor.worker.append(worker)
    event = await worker.run(replace(ITEM, played_before=again))
    await worker.close()
    return event, actor.asked, sink.trees


def journal_of(store: ObjectStore, writer_id: str) -> StoredJournal:
    return StoredJournal(store, run_id=RUN_ID, writer_id=writer_id, clock=time.monotonic)


@pytest.mark.parametrize("patience", [1, 5, 12])
async def test_a_tree_goes_on_in_another_process_where_it_stopped(tmp_path: Path, patience: int) -> None:
    store = open_store(str(tmp_path))
    _, all_calls, [whole] = await session(NoJournal())
    event, first_calls, published = await session(journal_of(store, "a"), patience=patience)
    assert (event, published) == (Paused(item_id=ITEM.item_id), [])
    summary = sweep_journal(store, RUN_ID, unsettled=[ITEM.item_id])
    assert summary.items[ITEM.item_id].num_answers == first_calls
    assert summary.spend == Spend(
        actor_calls=first_calls,
        prompt_tokens=10 * first_calls,
        completion_tokens=2 * first_calls,
        cost_usd=0.25 * first_calls,
    )
    event, second_calls, [tree] = await session(journal_of(store, "b"), again=True)
    assert isinstance(event, Settled)
    assert first_calls + second_calls == all_calls
    assert tree == whole
    sweep_journal(store, RUN_ID, unsettled=[])
    assert segment_keys(store, RUN_ID) == []


async def test_a_run_that_is_never_disturbed_leaves_no_segment(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    event, _, _ = await session(journal_of(store, "a"))
    assert isinstance(event, Settled)
    assert segment_keys(store, RUN_ID) == []
