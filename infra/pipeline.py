"""The composition root: from a configuration to the objects that do the work. Constructors only, nothing is decided or run here."""

from __future__ import annotations

import difflib
import gc
import logging
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from actors.environments.blueprints.task_file import read_tasks
from actors.environments.registry import environment
from actors.leased_gate import LeaseSource
from actors.local_pool import LocalPool
from infra.casting import casting, critic_settings, endpoint_limits, identities
from infra.config import RunConfig, config_digest
from infra.config_sections import TasksSection
from infra.served_critics import put_served, served_record
from labeling.conclude import conclude
from labeling.labels import LabelRule
from labeling.records import Conclusions
from rollouts.branching import BranchingSettings, ForkPolicy, fork_policy
from rollouts.episode import Task
from rollouts.errors import DataError, UsageError
from rollouts.plan import make_plan
from rollouts.play import PlaySettings
from rollouts.protocols import Critic, Environment, WorkerPool
from rollouts.receipt import WorkItem
from rollouts.supervision import Supervision
from rollouts.tree import Tree
from rollouts.worker import TreeWorker
from storage.journal import JournalSettings, StoredJournal
from storage.objects import ObjectStore, open_store
from storage.parts import leave_pandas_out
from storage.rows import RunStamp
from storage.writer import ParquetSink

if TYPE_CHECKING:
    from actors.ray_workers.critic_pool import CriticPool, CriticReplicas

_log = logging.getLogger(__name__)

TEST_SPLIT = "test"
COLLECT_AFTER = (20_000, 50, 100)
# objects, young collections, middle ones; Python's own (700, 10, 10) walks through everything alive every few hundred calls


def open_root(config: RunConfig) -> ObjectStore:
    return open_store(config.storage.root, endpoint_url=config.storage.endpoint_url)


def open_environment(config: RunConfig) -> Environment[Any]:
    return environment(config.tasks.environment, config.tasks.domain)


def with_absolute_root(config: RunConfig) -> RunConfig:
    """The same configuration for processes with another working directory."""
    root = config.storage.root
    absolute = root if root.startswith("s3://") else str(Path(root).absolute())
    critic, model = config.critic, Path(config.critic.model)
    if critic.kind == "vllm" and model.is_dir():
        critic = critic.model_copy(update={"model": str(model.absolute())})
    return config.model_copy(update={"storage": config.storage.model_copy(update={"root": absolute}), "critic": critic})


def select_tasks(config: RunConfig, world: Environment[Any], *, allow_test: bool = False) -> list[Task]:
    """The tasks to play. UsageError for an unknown id, and, unless `allow_test`, for a task of the benchmark's test split."""
    wanted = config.tasks
    tasks, origin = _offered_tasks(wanted, world)
    if wanted.ids:
        by_id = {task.task_id: task for task in tasks}
        if unknown := [name for name in wanted.ids if name not in by_id]:
            raise UsageError(
                f"tasks.ids: {_not_there(unknown, list(by_id))} in {origin} of {wanted.environment} {wanted.domain}"
            )
        tasks = [by_id[name] for name in wanted.ids]
    elif wanted.count > len(tasks):
        raise UsageError(f"tasks.count = {wanted.count}, but {origin} has {len(tasks)} tasks; set it to 0 for all")
    elif wanted.count:
        tasks = tasks[: wanted.count]
    held_out = [task.task_id for task in tasks if task.split == TEST_SPLIT]
    if held_out and not allow_test:
        raise UsageError(
            f"tasks: {origin} holds {len(held_out)} tasks of the benchmark's test split (such as {held_out[0]}); "
            "data made from them could never be evaluated. Use a training split, or list training tasks in tasks.ids; "
            "`treeroll evaluate` may play them"
        )
    return tasks


def _not_there(unknown: Sequence[str], known: Sequence[str]) -> str:
    """ "99 (nearest: 9, 19) not among the 74 tasks": what was asked for, and what may have been meant."""
    told = []
    for name in unknown:
        nearest = difflib.get_close_matches(name, known, n=3, cutoff=0.0)
        told.append(f"{name!r} (nearest: {', '.join(nearest)})" if nearest else repr(name))
    return f"{', '.join(told)} not among the {len(known)} tasks"


def _offered_tasks(wanted: TasksSection, world: Environment[Any]) -> tuple[list[Task], str]:
    """Everything that could be played, and what it is called. DataError for a file of tasks that were made for other data."""
    if wanted.source:
        return read_tasks(wanted.source, world, domain=wanted.domain), f"file {wanted.source!r}"
    return list(world.tasks(wanted.split)), f"split {wanted.split!r}"


def plan(config: RunConfig, world: Environment[Any], *, allow_test: bool = False) -> tuple[WorkItem, ...]:
    """One work item for each task. `allow_test`: for an evaluation, which may play a benchmark's test split."""
    return make_plan(
        select_tasks(config, world, allow_test=allow_test),
        seed=config.run.seed,
        trunks=config.branching.trunks,
        settings_digest=config_digest(config),
        provenance=world.provenance,
    )


# -- how it is played -------------------------------------------------------------------------------------------------


def stamp(config: RunConfig, run_id: str, world: Environment[Any]) -> RunStamp:
    """What every row says of its origin."""
    names = identities(config)
    return RunStamp(
        run_id=run_id,
        actor=names["actor"],
        user=names["user"],
        critic=names["critic"],
        judge=names["judge"],
        provenance=world.provenance,
    )


def branching(config: RunConfig) -> BranchingSettings:
    chosen = config.branching
    return BranchingSettings(
        trunks=chosen.trunks,
        width=chosen.width,
        rollouts=chosen.rollouts,
        max_draws=chosen.max_draws or 2 * chosen.width,
        forked_trunks=chosen.forked_trunks,
        delta=chosen.delta,
        min_rollouts=min(chosen.min_rollouts, chosen.rollouts),
        confidence=chosen.confidence,
        calls_per_label=chosen.calls_per_label,
        calls_per_tree=chosen.calls_per_tree,
        branches_per_tree=chosen.branches_per_tree,
        budget_mixed=chosen.budget_mixed,
        budget_failed=chosen.budget_failed,
        budget_solved=chosen.budget_solved,
    )


def chosen_policy(config: RunConfig) -> ForkPolicy:
    """Where a run's trees are forked, and whether the critic's word on what was tried is asked and measured."""
    chosen = config.branching
    uplift = chosen.uplift_rollouts if chosen.critiques else None
    return fork_policy(chosen.policy, branching(config), uplift_rollouts=uplift)


def play_settings(config: RunConfig) -> PlaySettings:
    critic = config.critic
    return PlaySettings(
        supervision=Supervision(
            review="none" if critic.kind == "none" else critic.review,
            max_revisions=critic.max_revisions,
            on_exhausted=critic.on_exhausted,
            feedback_persists=critic.feedback_persists,
        ),
        turn_limit=config.limits.turns,
        episode_timeout_s=config.limits.episode_timeout_s,
    )


@dataclass(frozen=True, slots=True)
class Labelling:
    """What a finished tree claims. Picklable."""

    level: float
    # of the values' intervals
    rule: LabelRule
    uplift_level: float
    # of those that say what a critique was worth

    def __call__(self, tree: Tree) -> Conclusions:
        return conclude(tree, level=self.level, rule=self.rule, uplift_level=self.uplift_level)


def labelling(config: RunConfig) -> Labelling:
    levels = config.labels
    rule = LabelRule(delta=config.branching.delta, approve_level=levels.approve_level, revise_level=levels.revise_level)
    return Labelling(level=levels.level, rule=rule, uplift_level=levels.uplift_level)


# -- where it is played -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeWorkerRecipe:
    """`rollouts.worker.WorkerRecipe`: crosses to the process that will do the work, and builds everything heavy there."""

    config: RunConfig
    run_id: str
    live_episodes: int
    leases: LeaseSource | None = None
    # of the endpoints' governors; None: this is the run's only worker
    critics: CriticReplicas | None = None
    # of critic.kind = "vllm"

    def build(self) -> TreeWorker[Any]:
        logging.captureWarnings(True)
        config, worker = self.config, uuid.uuid4().hex
        world, store = open_environment(config), open_root(config)
        _spare_the_collector()
        leave_pandas_out()
        return TreeWorker(
            world,
            casting=casting(config, worker=worker, leases=self.leases, served_critic=self._served_critic()),
            policy=chosen_policy(config),
            settings=play_settings(config),
            sink=ParquetSink(store, stamp(config, self.run_id, world), labelling(config)),
            clock=time.monotonic,
            live_episodes=self.live_episodes,
            journal=StoredJournal(
                store,
                run_id=self.run_id,
                writer_id=f"w{worker}",
                clock=time.monotonic,
                settings=JournalSettings(flush_interval_s=config.run.journal_flush_s),
            ),
            publish_partial=config.limits.on_limit == "publish",
            outage_s=config.storage.outage_s,
        )

    def _served_critic(self) -> Critic | None:
        if self.critics is None:
            return None
        from actors.ray_workers.ray_critic import RayCritic

        return RayCritic(self.critics, max_out=self.live_episodes, timeout_s=self.config.critic.timeout_s)


def _spare_the_collector() -> None:
    """What is loaded lives as long as the process: the garbage collector need not walk through it again and again.

    Trees and conversations hold no cycles to speak of. Measured with `tests.benchmarks.orchestration`: a fifth of a call's CPU.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def max_items_out(config: RunConfig) -> int:
    """Trees under way at once: enough that their trunks alone fill `max_in_flight`."""
    return max(config.run.workers, -(-config.run.max_in_flight // config.branching.trunks))


@asynccontextmanager
async def worker_pool(config: RunConfig, run_id: str) -> AsyncIterator[WorkerPool]:
    """The configured pool, closed at the end. The Ray pool needs a surrounding `actors.ray_workers.cluster.cluster`."""
    workers = config.run.workers if config.run.pool == "ray" else 1
    recipe = EpisodeWorkerRecipe(
        config=with_absolute_root(config), run_id=run_id, live_episodes=max(1, config.run.max_in_flight // workers)
    )
    async with AsyncExitStack() as stack:
        pool: WorkerPool
        if config.run.pool == "ray":
            pool = await _ray_pool(config, recipe, stack)
        else:
            pool = LocalPool(recipe)
        stack.push_async_callback(pool.close)
        yield pool


async def _ray_pool(config: RunConfig, recipe: EpisodeWorkerRecipe, stack: AsyncExitStack) -> WorkerPool:
    import ray

    from actors.ray_workers.governor import start_governors
    from actors.ray_workers.pool import RayPool

    if limits := endpoint_limits(config):
        leases, governor = start_governors(limits)
        stack.callback(ray.kill, governor)
        recipe = replace(recipe, leases=leases)
    if config.critic.kind == "vllm":
        critics = await stack.enter_async_context(served_critics(config))
        stack.push_async_callback(_tell, critics, config, recipe.run_id)
        recipe = replace(recipe, critics=critics.replicas)
    return await RayPool.start(recipe, workers=config.run.workers, max_items=max_items_out(config))


@asynccontextmanager
async def served_critics(config: RunConfig) -> AsyncIterator[CriticPool]:
    """The replicas of critic.kind = "vllm", stopped at the end. Needs a surrounding `actors.ray_workers.cluster.cluster`."""
    from actors.ray_workers.critic_pool import CriticPool

    settings = critic_settings(with_absolute_root(config))
    pool = await CriticPool.start(settings, replicas=config.critic.replicas, python=config.critic.python)
    try:
        yield pool
    finally:
        await pool.close()


async def _tell(critics: CriticPool, config: RunConfig, run_id: str) -> None:
    """What the replicas did, while they are still there to be asked. A store that is out fails no run that is over."""
    try:
        put_served(open_root(config), run_id, served_record(await critics.stats()))
    except (DataError, UsageError) as error:
        _log.warning("what the critic's replicas did could not be kept: %s", error)
