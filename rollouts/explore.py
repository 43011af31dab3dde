"""Grow one tree: carry out what the fork policy asks for until it asks for nothing more.

Invariants: what is played depends on the policy, the seeds and the settings only, not on the order in which plays end;
the requests of one round run side by side, at most `slots` episodes at once over all trees of the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Generic, TypeVar, assert_never

from rollouts.branching import (
    ActionView,
    EpisodeView,
    ForkPolicy,
    OpenFork,
    PlayBranch,
    PlayTrunk,
    Request,
    StepView,
    TreeView,
)
from rollouts.episode import Draft, Episode, Failure, Finished, StopReason
from rollouts.errors import RolloutError
from rollouts.identity import action_key
from rollouts.budget import Stopped
from rollouts.meter import Meter, SpendCounter
from rollouts.play import Place, Played, Player, State
from rollouts.receipt import WorkItem
from rollouts.supervision import step_kind
from rollouts.tree import Fork, ForkAction, Tree, branch_path, path_order, step_path, trunk_path

S = TypeVar("S")


async def explore(
    item: WorkItem, player: Player[S], *, policy: ForkPolicy, meter: Meter, slots: asyncio.Semaphore
) -> Tree:
    """The finished tree. Raises RolloutError when a failure is fatal: every other episode would fail alike."""
    grower = _Grower(player, meter, slots)
    while not grower.cut_short and (requests := policy.requests(grower.view())):
        await grower.serve(requests)
    return grower.tree(item)


class _Grower(Generic[S]):
    def __init__(self, player: Player[S], meter: Meter, slots: asyncio.Semaphore) -> None:
        self._player = player
        self._meter = meter
        self._slots = slots
        self._episodes: dict[str, Episode] = {}
        self._states: dict[str, tuple[State[S], ...]] = {}
        # of trunks only: nothing else is forked, so nothing else is kept
        self._forks: dict[str, Fork] = {}
        self.cut_short = False
        # a play or a fork ended before its end because the worker is stopping

    async def serve(self, requests: Sequence[Request]) -> None:
        plays = sum(not isinstance(request, OpenFork) for request in requests)
        self._meter.planned(plays)
        try:
            async with asyncio.TaskGroup() as group:
                for request in requests:
                    group.create_task(self._serve_one(request))
        except* RolloutError as errors:
            raise _first_leaf(errors) from None

    async def _serve_one(self, request: Request) -> None:
        async with self._slots:
            match request:
                case PlayTrunk(index=index):
                    path = trunk_path(index)
                    await self._play(path, trunk=Place(path=path, user_path=path))
                case PlayBranch():
                    await self._branch(request)
                case OpenFork():
                    await self._open_fork(request)
                case _:
                    assert_never(request)

    async def _play(self, path: str, *, trunk: Place) -> None:
        played = await self._counted(self._player.trunk(trunk))
        self._states[path] = played.states
        self._settle(played)

    async def _branch(self, request: PlayBranch) -> None:
        fork = self._forks[request.fork_path]
        place = Place(
            path=branch_path(request.fork_path, request.action, request.rollout),
            user_path=f"{request.fork_path}.r{request.rollout}",
        )
        state = self._states[fork.episode_path][fork.step]
        draft = fork.actions[request.action].draft
        self._settle(await self._counted(self._player.branch(place, state, draft)))

    async def _counted(self, play: Awaitable[Played[S]]) -> Played[S]:
        self._meter.started()
        try:
            await asyncio.sleep(0)
            # stand-ins answer without waiting; without this one tree would hold the loop until it is finished
            return await play
        finally:
            self._meter.left()

    def _settle(self, played: Played[S]) -> None:
        episode = played.episode
        if isinstance(episode.outcome, Finished) and episode.outcome.stop is StopReason.BUDGET:
            self.cut_short = True
            if not episode.spend.calls:
                return
                # it never began
        self._episodes[episode.path] = episode
        self._meter.ended(episode.outcome, steps=len(episode.steps))

    async def _open_fork(self, request: OpenFork) -> None:
        path = step_path(request.episode_path, request.step)
        own = self._episodes[request.episode_path].steps[request.step]
        spending = SpendCounter(self._meter.spending)
        try:
            drafts = [own.action, *await self._draw(request, path, own.action_key, spending)]
        except Stopped:
            self.cut_short = True
            return
        keys = [action_key(draft) for draft in drafts]
        first = dict(zip(reversed(keys), reversed(drafts), strict=True))
        actions = tuple(
            ForkAction(
                index=index,
                draft=first[key],
                action_key=key,
                kind=step_kind(first[key], self._player.briefing),
                multiplicity=keys.count(key),
            )
            for index, key in enumerate(dict.fromkeys(keys))
        )
        self._forks[path] = Fork(
            path=path,
            episode_path=request.episode_path,
            step=request.step,
            state_key=own.state_key,
            actions=actions,
            draws=len(drafts),
            spend=spending.spend(),
        )
        self._meter.forked()

    async def _draw(self, request: OpenFork, path: str, own_key: bytes, spending: SpendCounter) -> list[Draft]:
        """Drafts of the actor in the forked state; fewer when the endpoint fails, since a fork with fewer draws is still valid."""
        player = self._player
        state = self._states[request.episode_path][request.step]
        drafts: list[Draft] = []
        known = {own_key}
        turn = player.turn(Place(path=path, user_path=path), request.step, spending)

        async def draw(seed: int) -> Draft:
            return await player.cast.actor.act(state.conversation, player.briefing, seed=seed)

        while len(known) < request.width and len(drafts) + 1 < request.max_draws:
            try:
                draft = await turn.ask("draw", len(drafts) + 1, draw)
            except RolloutError as error:
                if error.fatal:
                    raise
                break
            drafts.append(draft)
            known.add(action_key(draft))
        return drafts

    def view(self) -> TreeView:
        trunks = sorted((path for path in self._episodes if "." not in path), key=path_order)
        return TreeView(trunks=tuple(self._episode_view(path) for path in trunks))

    def _episode_view(self, path: str) -> EpisodeView:
        episode = self._episodes[path]
        steps = tuple(
            StepView(kind=step.kind, actions=self._action_views(step_path(path, step.index))) for step in episode.steps
        )
        return EpisodeView(path=path, returned=_return(episode), steps=steps)

    def _action_views(self, fork_path: str) -> tuple[ActionView, ...]:
        fork = self._forks.get(fork_path)
        return tuple(self._action_view(fork_path, action) for action in fork.actions) if fork else ()

    def _action_view(self, fork_path: str, action: ForkAction) -> ActionView:
        launched, returns = 0, []
        while (episode := self._episodes.get(branch_path(fork_path, action.index, launched))) is not None:
            launched += 1
            if (value := _return(episode)) is not None:
                returns.append(value)
        return ActionView(
            multiplicity=action.multiplicity,
            launched=launched,
            n=len(returns),
            successes=sum(returns),
            failures=launched - len(returns),
        )

    def tree(self, item: WorkItem) -> Tree:
        return Tree(
            item=item,
            episodes={path: self._episodes[path] for path in sorted(self._episodes, key=path_order)},
            forks={path: self._forks[path] for path in sorted(self._forks, key=path_order)},
            replies=dict(sorted(self._player.ledger.replies.items())),
            early_stop=self.cut_short,
        )


def _return(episode: Episode) -> float | None:
    match episode.outcome:
        case Finished(reward=reward):
            return None if reward is None else reward.value
        case Failure():
            return None


def _first_leaf(group: BaseExceptionGroup[RolloutError]) -> RolloutError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RolloutError)
    return error
