"""A run of the toy world, played, labeled and published as a real one is."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from labeling.labels import LabelRule, label_actions
from labeling.records import ActionValue, Label
from labeling.values import action_values
from rollouts.branching import EveryStep
from rollouts.episode import Briefing, Conversation, Draft, Task
from rollouts.explore import explore
from rollouts.identity import digest
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player
from rollouts.protocols import Cast, NoCritic
from rollouts.receipt import WorkItem
from rollouts.slots import Slots
from rollouts.tree import Tree
from storage.objects import ObjectStore
from storage.rows import RunStamp
from storage.runs import DomainBriefing, PlannedItem, RunRecord, create_run
from storage.writer import ParquetSink
from tests.toy import PROVENANCE, SETTINGS, ToyActor, ToyEnvironment, ToyUser

TASKS = 6
RUN = "run-1"
STAMP = RunStamp(run_id=RUN, actor="scripted:actor", user="chat:a-model", critic="none", provenance=PROVENANCE)
POLICY = EveryStep(trunks=2, width=3, rollouts=8, max_draws=6, forked_trunks=1)
BRIEFING = ToyEnvironment().briefing(Task(task_id="", domain="toy", split="train", data={}))

RULE = LabelRule(delta=0.2, approve_level=0.8, revise_level=0.8)


class NamedUser:
    """Opens with its task's name, so that two tasks have different conversations."""

    def __init__(self, name: str) -> None:
        self._name = name

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        said = await ToyUser().act(conversation, briefing, seed=0, feedback=feedback)
        return said if conversation else Draft(text=f"Hello, I come for {self._name}.")


def labelled(tree: Tree) -> tuple[list[ActionValue], list[Label]]:
    values = action_values(tree, level=0.8)
    return values, label_actions(values, RULE)


def item(index: int, *, split: str = "train") -> WorkItem:
    task = Task(task_id=f"task-{index}", domain="toy", split=split, data={})
    return WorkItem(item_id=digest(b"export", str(index).encode()).hex(), task=task, seed=3, trunks=2)


def play(made: WorkItem, *, said_by: str = "", skill: float = 0.6) -> Tree:
    """`said_by`: the name that the user gives; the task's own by default."""
    user = NamedUser(said_by or made.task.task_id)
    player = Player(
        ToyEnvironment(),
        task=made.task,
        cast=Cast(actor=ToyActor(skill=skill), user=user, critic=NoCritic()),
        seed=made.seed,
        settings=SETTINGS,
        meter=Meter(),
        clock=lambda: 0.0,
        ledger=Ledger(),
    )
    return asyncio.run(explore(made, player, policy=POLICY, meter=Meter(), slots=Slots(64)))


def publish(
    store: ObjectStore, trees: Sequence[Tree], *, unplayed: Sequence[WorkItem] = (), stamp: RunStamp = STAMP
) -> None:
    """A run whose plan is the trees' items and, after them, the unplayed ones."""
    planned = [*(tree.item for tree in trees), *unplayed]
    create_run(store, _record(planned, stamp.run_id))
    for tree in trees:
        ParquetSink(store, stamp, labelled).write(tree)


def _record(planned: Sequence[WorkItem], run_id: str) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        config={"run": {"seed": 3}},
        items=tuple(
            PlannedItem(
                item_id=made.item_id,
                task_id=made.task.task_id,
                domain=made.task.domain,
                split=made.task.split,
                seed=made.seed,
            )
            for made in planned
        ),
        briefings=(DomainBriefing(domain="toy", policy=BRIEFING.policy, tools=BRIEFING.tools),),
        treeroll_version="0.1.0",
        created_by={"host": "somewhere"},
    )
