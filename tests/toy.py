"""A world small enough to know its values: press the right button `PRESSES` times, then say goodbye.

The actor presses the right button with probability `skill`, otherwise a wrong one (two kinds). The return is 1 when no press was
wrong. So Q(s, right) = skill ** (presses left after this one), and Q(s, wrong) = 0.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rollouts.branching import BranchingSettings, fork_policy
from rollouts.budget import Allowance
from rollouts.episode import (
    Briefing,
    Conversation,
    Draft,
    JsonValue,
    Reward,
    Side,
    StopReason,
    Task,
    ToolCall,
    ToolMessage,
    ToolSpec,
)
from rollouts.errors import FailureKind, RolloutError
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player, PlaySettings
from rollouts.protocols import Cast, NoCritic, NoJournal, Provenance, Publish, Transition
from rollouts.receipt import Receipt, WorkItem
from rollouts.supervision import Supervision
from rollouts.tree import Tree
from rollouts.worker import TreeWorker

PRESSES = 3
PROVENANCE = Provenance(source="toy", version="1", data_hash="0")
SCHEMA: dict[str, JsonValue] = {"type": "object", "properties": {"button": {"type": "string"}}, "required": ["button"]}


def toy_task(name: str = "press") -> Task:
    return Task(task_id=name, domain="toy", split="train", data={})


def toy_item(name: str = "press", *, seed: int = 0, trunks: int = 2) -> WorkItem:
    return WorkItem(item_id=name.encode().hex().ljust(32, "0"), task=toy_task(name), seed=seed, trunks=trunks)


@dataclass(frozen=True, slots=True)
class ToyState:
    pressed: tuple[str, ...] = ()


class ToyEnvironment:
    provenance = PROVENANCE

    def tasks(self, split: str) -> Sequence[Task]:
        return [toy_task()]

    def briefing(self, task: Task) -> Briefing:
        tool = ToolSpec(name="press", description="Press a button.", parameters=SCHEMA, kind="write")
        return Briefing(policy="Press the right button.", tools=(tool,), user_instructions="Wait.")

    def initial(self, task: Task) -> ToyState:
        return ToyState()

    def apply(self, state: ToyState, call: ToolCall, *, side: Side = "actor") -> Transition[ToyState]:
        if call.name != "press":
            return Transition(state=state, content=f"no tool {call.name}", is_error=True)
        return Transition(state=ToyState((*state.pressed, str(call.arguments["button"]))), content="pressed")

    def user_stop(self, text: str) -> StopReason | None:
        return StopReason.USER_STOP if "###STOP###" in text else None

    def reward(self, state: ToyState, conversation: Conversation, stop: StopReason) -> Reward:
        solved = stop.terminated and state.pressed == ("right",) * PRESSES
        return Reward(value=float(solved), basis=("PRESSED",), parts={"PRESSED": float(solved)})

    def key(self, state: ToyState) -> bytes:
        return repr(state.pressed).encode()

    def dump(self, state: ToyState) -> bytes:
        return "\n".join(state.pressed).encode()

    def load(self, data: bytes) -> ToyState:
        return ToyState(tuple(data.decode().split("\n"))) if data else ToyState()


def press(button: str) -> Draft:
    return Draft(text="", tool_calls=(ToolCall(call_id="1", name="press", arguments={"button": button}),))


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyActor:
    skill: float = 0.7
    wait_s: float = 0.0
    # a random wait up to this long, not derived from the seed: ends come in any order
    fail_after: int = PRESSES + 1
    # presses after which the endpoint breaks

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        if self.wait_s:
            await asyncio.sleep(random.random() * self.wait_s)
        pressed = sum(isinstance(message, ToolMessage) for message in conversation)
        if pressed >= self.fail_after:
            raise RolloutError("the endpoint broke", kind=FailureKind.INFRASTRUCTURE)
        if pressed == PRESSES:
            return Draft(text="Goodbye.")
        if feedback:
            return press("right")
        chance = random.Random(seed)
        return press("right" if chance.random() < self.skill else chance.choice(["wrong", "broken"]))


@dataclass(frozen=True, slots=True)
class ToyUser:
    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        return Draft(text="###STOP###" if conversation else f"Hello {seed % 2}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyCasting:
    actor: ToyActor = field(default_factory=ToyActor)

    def cast(self, task: Task) -> Cast:
        return Cast(actor=self.actor, user=ToyUser(), critic=NoCritic())

    async def close(self) -> None:
        return None


SETTINGS = PlaySettings(supervision=Supervision(), turn_limit=10, episode_timeout_s=30.0)


def toy_player(
    actor: ToyActor,
    *,
    task: Task | None = None,
    settings: PlaySettings = SETTINGS,
    stopping: bool = False,
    seed: int = 0,
) -> Player[ToyState]:
    task = task or toy_task()
    allowance = Allowance()
    if stopping:
        allowance.stop()
    return Player(
        ToyEnvironment(),
        task=task,
        cast=ToyCasting(actor=actor).cast(task),
        seed=seed,
        settings=settings,
        meter=Meter(),
        clock=time.monotonic,
        ledger=Ledger(allowance=allowance),
    )


BRANCHING = BranchingSettings(trunks=2, width=3, rollouts=2, max_draws=6, forked_trunks=1, delta=0.2)


class CountingSink:
    """Publishes nothing; says what it was given."""

    def prepare(self, tree: Tree) -> Publish:
        return partial(self.write, tree)

    def write(self, tree: Tree) -> Receipt:
        meter = Meter()
        meter.planned(len(tree.episodes))
        for episode in tree.episodes.values():
            meter.ended(episode.outcome, steps=len(episode.steps))
        return Receipt(
            item_id=tree.item.item_id,
            progress=meter.progress(),
            rows={"episodes": len(tree.episodes)},
            row_hash={},
            early_stop=tree.early_stop,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyRecipe:
    """Builds a worker; with `die_once`, the first process that runs an item kills itself, as the machine would."""

    actor: ToyActor = field(default_factory=ToyActor)
    die_once: str = ""
    # a path that does not exist yet
    bug: bool = False
    publish_partial: bool = True

    def build(self) -> TreeWorker[ToyState]:
        return TreeWorker(
            ToyEnvironment() if not self.die_once else _Mortal(Path(self.die_once)),
            casting=ToyCasting(actor=self.actor) if not self.bug else _Broken(),
            policy=fork_policy("every_step", BRANCHING),
            settings=SETTINGS,
            sink=CountingSink(),
            clock=time.monotonic,
            live_episodes=16,
            journal=NoJournal(),
            publish_partial=self.publish_partial,
            outage_s=60.0,
        )


class _Mortal(ToyEnvironment):
    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def initial(self, task: Task) -> ToyState:
        try:
            self._mark.touch(exist_ok=False)
        except FileExistsError:
            return ToyState()
        os.kill(os.getpid(), 9)
        return ToyState()


class _Broken(ToyCasting):
    def cast(self, task: Task) -> Cast:
        raise KeyError(task.task_id)
