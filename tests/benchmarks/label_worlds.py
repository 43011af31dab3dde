"""The worlds that labels are graded in: trees grown by the worker's own code, beside their true values."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from actors.environments.known_values import ExactValues, KnownState, open_environment, stand_ins
from infra.casting import casting
from infra.config import load_config
from infra.pipeline import open_environment as open_configured
from infra.pipeline import plan, play_settings
from rollouts.episode import Conversation, Draft, Step, Task
from rollouts.explore import explore
from rollouts.fork_views import ForkPolicy, Request, TreeView
from rollouts.identity import action_key
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player, PlaySettings
from rollouts.policies.triage import failing_trunks
from rollouts.protocols import Cast
from rollouts.receipt import WorkItem
from rollouts.slots import Slots
from rollouts.supervision import Supervision
from rollouts.tree import Tree, step_path
from tests.benchmarks.label_grading import Grades, TrueAction, graded_cell
from tests.exact_values import ExactValues as BruteForce

SLOTS = 64
MOST_WRITES = 2
# brute force over the plays of retail tasks with more gold writes takes too long


class World(Protocol):
    @property
    def name(self) -> str: ...

    async def graded(
        self, make: Callable[[], ForkPolicy], *, seeds: Iterable[int], delta: float, trunks: int
    ) -> Grades:
        """Of all trees whose forked trunk failed."""


class Watched:
    """A policy, and the last view it was shown."""

    def __init__(self, policy: ForkPolicy) -> None:
        self._policy = policy
        self.view = TreeView(trunks=())

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        self.view = view
        return self._policy.requests(view)


Truth = Iterator[Mapping[bytes, TrueAction]]
# for each step of a trunk: every action of the actor, by its key


async def _grade(
    item: WorkItem,
    player: Player[Any],
    truth: Callable[[Tree, str], Truth],
    make: Callable[[], ForkPolicy],
    found: Grades,
) -> None:
    watched = Watched(make())
    tree = await explore(item, player, policy=watched, meter=Meter(), slots=Slots(SLOTS))
    failing = failing_trunks(watched.view, 1)
    if not failing:
        return
    trunk = failing[0]
    found.trees += 1
    played = [trunk.path for trunk in watched.view.trunks]
    found.calls += tree.spend.calls - sum(tree.episodes[path].spend.calls for path in played)
    steps = tree.episodes[trunk.path].steps
    for index, (view, actions) in enumerate(zip(trunk.steps, truth(tree, trunk.path), strict=True)):
        path = step_path(trunk.path, index)
        keys = tuple(action.action_key for action in tree.forks[path].actions) if path in tree.forks else ()
        place = f"{item.task.task_id}/{item.seed}/{path}"
        found.cells.append(graded_cell(place, view, keys, actions, steps[index].action_key, found.delta))


def _player(environment: Any, cast: Cast, item: WorkItem, settings: PlaySettings) -> Player[Any]:
    return Player(
        environment,
        task=item.task,
        cast=cast,
        seed=item.seed,
        settings=settings,
        meter=Meter(),
        clock=time.monotonic,
        ledger=Ledger(),
    )


# -- known values -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FamilyWorld:
    name: str
    num_tasks: int

    async def graded(
        self, make: Callable[[], ForkPolicy], *, seeds: Iterable[int], delta: float, trunks: int
    ) -> Grades:
        environment, found = open_environment(self.name), Grades(delta=delta)
        settings = PlaySettings(supervision=Supervision(), turn_limit=40, episode_timeout_s=3600)
        for seed in seeds:
            for task in environment.tasks("train")[: self.num_tasks]:
                item = WorkItem(item_id="0" * 32, task=task, seed=seed, trunks=trunks)
                player = _player(environment, stand_ins().cast(task), item, settings)
                await _grade(item, player, _KnownTruth(task, player).of, make, found)
        return found

    async def grown(
        self, make: Callable[[], ForkPolicy], *, seeds: Iterable[int], trunks: int
    ) -> AsyncIterator[tuple[Tree, Mapping[str, Mapping[bytes, TrueAction]]]]:
        """Every tree, and by fork of its trunks every action that the actor may take there."""
        environment = open_environment(self.name)
        settings = PlaySettings(supervision=Supervision(), turn_limit=40, episode_timeout_s=3600)
        for seed in seeds:
            for task in environment.tasks("train")[: self.num_tasks]:
                item = WorkItem(item_id="0" * 32, task=task, seed=seed, trunks=trunks)
                player = _player(environment, stand_ins().cast(task), item, settings)
                tree = await explore(item, player, policy=make(), meter=Meter(), slots=Slots(SLOTS))
                truth = _KnownTruth(task, player)
                forked = {fork.episode_path for fork in tree.forks.values()}
                yield (
                    tree,
                    {
                        step_path(path, index): actions
                        for path in forked
                        for index, actions in enumerate(truth.of(tree, path))
                    },
                )


class _KnownTruth:
    def __init__(self, task: Task, player: Player[KnownState]) -> None:
        self._values = ExactValues(task)
        self._player = player

    def of(self, tree: Tree, path: str) -> Truth:
        trunk, actor = tree.episodes[path], self._player.cast.actor
        said: Conversation = trunk.opening
        for state, step in zip(self._values.states(trunk.steps), trunk.steps, strict=True):
            outcomes: list[tuple[float, Draft]] = actor.outcomes(said, self._player.briefing)  # type: ignore[attr-defined]
            yield {
                action_key(draft): TrueAction(chance=chance, value=self._values.q(state, draft))
                for chance, draft in outcomes
            }
            said = (*said, *step.added)


# -- τ² retail --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RetailWorld:
    """Tasks of τ² retail with few writes, played by scripted stand-ins as in the quickstart. A task is solved by
    brute force once."""

    num_tasks: int
    name: str = "tau2 retail"
    _known: dict[tuple[int, str], BruteForce[Any]] = field(default_factory=dict)
    # by seed and task

    async def graded(
        self, make: Callable[[], ForkPolicy], *, seeds: Iterable[int], delta: float, trunks: int
    ) -> Grades:
        found = Grades(delta=delta)
        for seed in seeds:
            config = load_config("quickstart", overrides=["tasks.count=74", f"run.seed={seed}"])
            world, cast = open_configured(config), casting(config)
            items = [item for item in plan(config, world) if _is_short(world, item.task)]
            for item in items[: self.num_tasks]:
                player = _player(world, cast.cast(item.task), item, play_settings(config))
                exact = self._known.setdefault((seed, item.task.task_id), BruteForce(world, player.cast, item.task))
                truth = _RetailTruth(player, exact, item.task, config.limits.turns)
                await _grade(item, player, truth.of, make, found)
            await cast.close()
        return found


def _is_short(world: Any, task: Task) -> bool:
    kinds = {tool.name: tool.kind for tool in world.briefing(task).tools}
    criteria: Any = task.data["evaluation_criteria"]
    writes = sum(kinds.get(action["name"]) == "write" for action in criteria["actions"])
    return bool(writes <= MOST_WRITES)


@dataclass(frozen=True, slots=True)
class _RetailTruth:
    player: Player[Any]
    exact: BruteForce[Any]
    task: Task
    turns: int

    def of(self, tree: Tree, path: str) -> Truth:
        trunk, actor = tree.episodes[path], self.player.cast.actor
        state, said = self.player.environment.initial(self.task), trunk.opening
        for step in trunk.steps:
            outcomes: list[tuple[float, Draft]] = actor.outcomes(said, self.player.briefing)  # type: ignore[attr-defined]
            left = self.turns - step.index
            yield {
                action_key(draft): TrueAction(chance=p, value=self.exact.action_value(said, state, left, draft))
                for p, draft in outcomes
            }
            state, said = self._after(state, step), (*said, *step.added)

    def _after(self, state: Any, step: Step) -> Any:
        for call in step.action.tool_calls:
            state = self.player.environment.apply(state, call).state
        return state
