"""The composition root: from a configuration to the objects that do the work. Constructors only, nothing is decided or run here."""

from __future__ import annotations

import difflib
import logging
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.chat_casting import ChatClients, CriticSource, PolicySource, RoleCasting
from actors.chat_endpoint import Endpoint, Price
from actors.chat_judge import judge_identity
from actors.environments.blueprints.task_file import read_tasks
from actors.environments.registry import environment, own_chat_user, own_stand_ins, scripted_task
from actors.local_pool import LocalPool
from actors.scripted import CriticRates, Difficulty, ErrorRates, ScriptedCasting
from infra.config import RunConfig, config_digest
from infra.config_sections import ActorSection, ChatSection, SpeakerSection, TasksSection
from labeling.labels import LabelRule, label_actions
from labeling.records import ActionValue, Label
from labeling.values import action_values
from rollouts.branching import BranchingSettings, fork_policy
from rollouts.episode import Task
from rollouts.errors import UsageError
from rollouts.plan import make_plan
from rollouts.play import PlaySettings
from rollouts.protocols import Casting, Critic, Environment, NoCritic, NoJournal, NoJudge, WorkerPool
from rollouts.receipt import WorkItem
from rollouts.supervision import Supervision
from rollouts.tree import Tree
from rollouts.worker import TreeWorker
from storage.objects import ObjectStore, open_store
from storage.rows import RunStamp
from storage.writer import ParquetSink

TEST_SPLIT = "test"


def open_root(config: RunConfig) -> ObjectStore:
    return open_store(config.storage.root, endpoint_url=config.storage.endpoint_url)


def open_environment(config: RunConfig) -> Environment[Any]:
    return environment(config.tasks.environment, config.tasks.domain)


def with_absolute_root(config: RunConfig) -> RunConfig:
    """The same configuration for processes with another working directory."""
    root = config.storage.root
    absolute = root if root.startswith("s3://") else str(Path(root).absolute())
    return config.model_copy(update={"storage": config.storage.model_copy(update={"root": absolute})})


def select_tasks(config: RunConfig, world: Environment[Any]) -> list[Task]:
    """The tasks to generate from. UsageError for an unknown id, and for a task of the benchmark's test split."""
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
    if held_out := [task.task_id for task in tasks if task.split == TEST_SPLIT]:
        raise UsageError(
            f"tasks: {origin} holds {len(held_out)} tasks of the benchmark's test split (such as {held_out[0]}); "
            "data made from them could never be evaluated. Use a training split, or list training tasks in tasks.ids"
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


def plan(config: RunConfig, world: Environment[Any]) -> tuple[WorkItem, ...]:
    return make_plan(
        select_tasks(config, world),
        seed=config.run.seed,
        trunks=config.branching.trunks,
        settings_digest=config_digest(config),
        provenance=world.provenance,
    )


# -- who plays --------------------------------------------------------------------------------------------------------


def casting(config: RunConfig) -> RoleCasting:
    """UsageError when a key's variable is not set."""
    clients = ChatClients(jitter=random.Random())
    # back-off only: it must differ between workers, and no row depends on it
    stand_ins = _stand_ins(config)

    known = scripted_task(config.tasks.environment)

    def scripted_actor() -> PolicySource:
        return lambda task: stand_ins.cast(known(task)).actor

    def scripted_user() -> PolicySource:
        return lambda task: stand_ins.cast(known(task)).user

    actor, user = config.actor, config.user
    return RoleCasting(
        actor=scripted_actor() if actor.kind == "scripted" else clients.actor(_endpoint(actor, config)),
        user=scripted_user() if user.kind == "scripted" else _chat_user(config, clients),
        critic=_critic(config, stand_ins),
        judge=NoJudge() if config.judge.kind == "none" else clients.judge(_endpoint(config.judge, config)),
        closing=[clients, stand_ins],
    )


def _chat_user(config: RunConfig, clients: ChatClients) -> PolicySource:
    endpoint = _endpoint(config.user, config)
    own = own_chat_user(config.tasks.environment)
    return own(clients.client(endpoint)) if own else clients.user(endpoint)


def _stand_ins(config: RunConfig) -> Casting:
    actor: ActorSection = config.actor
    critic = config.critic
    rates: Critic | CriticRates = (
        NoCritic()
        if critic.kind == "none"
        else CriticRates(hit_rate=critic.hit_rate, false_alarm_rate=critic.false_alarm_rate)
    )
    if own := own_stand_ins(config.tasks.environment):
        return own(critic=rates)
    return ScriptedCasting(
        errors=ErrorRates(**actor.errors.model_dump()),
        difficulty=Difficulty(**actor.difficulty.model_dump()),
        seed=config.run.seed,
        critic=rates,
    )


def _critic(config: RunConfig, stand_ins: Casting) -> CriticSource:
    if config.critic.kind == "none":
        return lambda task: NoCritic()
    known = scripted_task(config.tasks.environment)
    return lambda task: stand_ins.cast(known(task)).critic


def user_endpoint(config: RunConfig) -> Endpoint:
    """Where the simulated user's model answers. UsageError when the user is not a model."""
    if config.user.kind != "chat":
        raise UsageError('user.kind must be "chat" for this: set user.base_url and user.model, too')
    return _endpoint(config.user, config)


def _endpoint(chat: ChatSection, config: RunConfig) -> Endpoint:
    prompt, completion = chat.price_per_million_prompt, chat.price_per_million_completion
    return Endpoint(
        base_url=chat.base_url,
        model=chat.model,
        api_key_env=chat.api_key_env,
        temperature=chat.temperature,
        max_tokens=chat.max_tokens,
        timeout_s=chat.timeout_s,
        max_retries=chat.max_retries,
        max_connections=config.run.max_in_flight,
        price=None if prompt is None or completion is None else Price(prompt_usd=prompt, completion_usd=completion),
    )


def stamp(config: RunConfig, run_id: str, world: Environment[Any]) -> RunStamp:
    """What every row says of its origin."""
    return RunStamp(
        run_id=run_id,
        actor=_identity(config.actor, "actor", config),
        user=_identity(config.user, "user", config),
        critic="none"
        if config.critic.kind == "none"
        else f"scripted:critic/hit={config.critic.hit_rate}/false_alarm={config.critic.false_alarm_rate}",
        judge="none" if config.judge.kind == "none" else judge_identity(_endpoint(config.judge, config)),
        provenance=world.provenance,
    )


def _identity(speaker: SpeakerSection, role: str, config: RunConfig) -> str:
    if speaker.kind == "scripted":
        return f"scripted:{role}"
    return _endpoint(speaker, config).identity


# -- how it is played -------------------------------------------------------------------------------------------------


def branching(config: RunConfig) -> BranchingSettings:
    chosen = config.branching
    return BranchingSettings(
        trunks=chosen.trunks,
        width=chosen.width,
        rollouts=chosen.rollouts,
        max_draws=chosen.max_draws or 2 * chosen.width,
        forked_trunks=chosen.forked_trunks,
        delta=chosen.delta,
    )


def play_settings(config: RunConfig) -> PlaySettings:
    critic = config.critic
    return PlaySettings(
        supervision=Supervision(
            review="none" if critic.kind == "none" else critic.review,
            max_revisions=critic.max_revisions,
            on_exhausted=critic.on_exhausted,
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

    def __call__(self, tree: Tree) -> tuple[list[ActionValue], list[Label]]:
        values = action_values(tree, level=self.level)
        return values, label_actions(values, self.rule)


def labelling(config: RunConfig) -> Labelling:
    levels = config.labels
    rule = LabelRule(delta=config.branching.delta, approve_level=levels.approve_level, revise_level=levels.revise_level)
    return Labelling(level=levels.level, rule=rule)


# -- where it is played -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeWorkerRecipe:
    """`rollouts.worker.WorkerRecipe`: crosses to the process that will do the work, and builds everything heavy there."""

    config: RunConfig
    run_id: str
    live_episodes: int

    def build(self) -> TreeWorker[Any]:
        logging.captureWarnings(True)
        world = open_environment(self.config)
        return TreeWorker(
            world,
            casting=casting(self.config),
            policy=fork_policy(self.config.branching.policy, branching(self.config)),
            settings=play_settings(self.config),
            sink=ParquetSink(open_root(self.config), stamp(self.config, self.run_id, world), labelling(self.config)),
            clock=time.monotonic,
            live_episodes=self.live_episodes,
            journal=NoJournal(),
            publish_partial=self.config.limits.on_limit == "publish",
        )


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
    pool: WorkerPool
    if config.run.pool == "ray":
        from actors.ray_workers.pool import RayPool

        pool = await RayPool.start(recipe, workers=workers, max_items=max_items_out(config))
    else:
        pool = LocalPool(recipe)
    try:
        yield pool
    finally:
        await pool.close()
