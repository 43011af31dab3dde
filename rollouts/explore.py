"""Grow one tree: carry out what the fork policy asks for until it asks for nothing more.

Invariants: what is played depends on the policy, the seeds and the settings only, not on the order in which plays end; nothing is
played twice, however often it is asked for; the requests of one round run side by side, at most `slots` of them at once over all
trees of the worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar, assert_never

from rollouts.budget import Stopped
from rollouts.episode import Draft, Episode, Finished, Review, Spend, StopReason
from rollouts.errors import RolloutError
from rollouts.fork_views import (
    AskCritic,
    ExplainsStops,
    ForkPolicy,
    OpenFork,
    PlayBranch,
    PlayRevised,
    PlayTrunk,
    Request,
)
from rollouts.forking import distinct, draw, review
from rollouts.meter import Meter, SpendCounter
from rollouts.play import Place, Played, Player, State
from rollouts.receipt import WorkItem
from rollouts.request_checks import check_round
from rollouts.slots import Slots
from rollouts.tree import Fork, Tree, branch_path, path_order, revised_path, step_path, trunk_path
from rollouts.tree_views import TreeViews

S = TypeVar("S")


async def explore(item: WorkItem, player: Player[S], *, policy: ForkPolicy, meter: Meter, slots: Slots) -> Tree:
    """The finished tree.

    Raises RolloutError when a failure is fatal (every other episode would fail alike), and UsageError when the policy asks for what
    cannot be: a fork at a finished state, a branch of an action that nobody drew.
    """
    grower = _Grower(player, meter, slots)
    while not grower.cut_short and (requests := grower.unserved(policy.requests(grower.views.view()))):
        await grower.serve(requests)
    return grower.tree(item, policy)


class _Grower(Generic[S]):
    def __init__(self, player: Player[S], meter: Meter, slots: Slots) -> None:
        self._player = player
        self._meter = meter
        self._slots = slots
        self._served: set[Request] = set()
        self._episodes: dict[str, Episode] = {}
        self._states: dict[str, tuple[State[S], ...]] = {}
        # of trunks only: nothing else is forked, so nothing else is kept
        self._drafts: dict[str, list[Draft]] = {}
        # by fork: all that were drawn there, the forked episode's own first
        self._forks: dict[str, Fork] = {}
        self._reviews: dict[tuple[str, int], tuple[Review, Spend]] = {}
        # (fork path, action) → the critic's word, and what it cost
        self.views = TreeViews()
        self.cut_short = False
        # a play or a fork ended before its end because the worker is stopping

    def unserved(self, requests: Iterable[Request]) -> list[Request]:
        """What is new of them, each once. UsageError for what cannot be done."""
        fresh = [request for request in dict.fromkeys(requests) if request not in self._served]
        check_round(fresh, trunks=self._episodes, forks=self._forks, reviews=self._reviews)
        self._served.update(fresh)
        return fresh

    async def serve(self, requests: Sequence[Request]) -> None:
        plays = sum(isinstance(request, PlayTrunk | PlayBranch | PlayRevised) for request in requests)
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
                    await self._trunk(trunk_path(index))
                case PlayBranch():
                    await self._branch(request)
                case PlayRevised():
                    await self._revised(request)
                case OpenFork():
                    await self._open_fork(request)
                case AskCritic():
                    await self._ask_critic(request)
                case _:
                    assert_never(request)

    # -- plays --------------------------------------------------------------------------------------------------------

    async def _trunk(self, path: str) -> None:
        played = await self._counted(self._player.trunk(Place(path=path, user_path=path)))
        self._states[path] = played.states
        if self._settle(played.episode):
            self.views.trunk(played.episode)

    async def _branch(self, request: PlayBranch) -> None:
        fork = self._forks[request.fork_path]
        place = self._place(request, branch_path(request.fork_path, request.action, request.rollout))
        draft = fork.actions[request.action].draft
        await self._from_fork(self._player.branch(place, self._state(fork.path), draft))

    async def _revised(self, request: PlayRevised) -> None:
        place = self._place(request, revised_path(request.fork_path, request.action, request.rollout))
        critique, _ = self._reviews[request.fork_path, request.action]
        await self._from_fork(self._player.revised(place, self._state(request.fork_path), critique))

    def _place(self, request: PlayBranch | PlayRevised, path: str) -> Place:
        """Plays of one rollout of a fork meet the same user, whichever action or critique they begin with."""
        return Place(path=path, user_path=f"{request.fork_path}.r{request.rollout}")

    async def _from_fork(self, play: Coroutine[Any, Any, Played[S]]) -> None:
        played = await self._counted(play)
        if self._settle(played.episode):
            self.views.branch(played.episode)

    async def _counted(self, play: Coroutine[Any, Any, Played[S]]) -> Played[S]:
        self._meter.started()
        try:
            await asyncio.sleep(0)
            # stand-ins answer without waiting; without this one tree would hold the loop until it is finished
            return await play
        finally:
            play.close()
            # one that another's fatal failure cancelled before it began
            self._meter.left()

    def _settle(self, episode: Episode) -> bool:
        """Whether there is anything to record."""
        if isinstance(episode.outcome, Finished) and episode.outcome.stop is StopReason.BUDGET:
            self.cut_short = True
            if not episode.spend.calls:
                return False
                # it never began
        self._episodes[episode.path] = episode
        self._meter.ended(episode.outcome, steps=len(episode.steps))
        return True

    # -- forks --------------------------------------------------------------------------------------------------------

    async def _open_fork(self, request: OpenFork) -> None:
        """A fork that is open is drawn at again: known actions keep their indices."""
        path = step_path(request.episode_path, request.step)
        own = self._episodes[request.episode_path].steps[request.step]
        spending = SpendCounter(self._meter.spending)
        known = self._forks.get(path)
        state = self._states[request.episode_path][request.step]
        try:
            drafts = await draw(self._player, state, request, self._drafts.get(path, [own.action]), spending)
        except Stopped:
            self.cut_short = True
            return
        spend = spending.spend()
        self._drafts[path] = drafts
        self._forks[path] = Fork(
            path=path,
            episode_path=request.episode_path,
            step=request.step,
            state_key=own.state_key,
            actions=distinct(drafts, self._player.briefing),
            draws=len(drafts),
            spend=known.spend + spend if known else spend,
        )
        self.views.fork(self._forks[path], calls=spend.calls)
        if known is None:
            self._meter.forked()

    async def _ask_critic(self, request: AskCritic) -> None:
        path, action = request.fork_path, self._forks[request.fork_path].actions[request.action]
        spending = SpendCounter(self._meter.spending)
        try:
            said = await review(self._player, self._state(path), path, action, spending)
        except Stopped:
            self.cut_short = True
            return
        self._reviews[path, action.index] = said, spending.spend()
        self.views.reviewed(path, action.index, said, calls=spending.spend().calls)

    def _state(self, fork_path: str) -> State[S]:
        fork = self._forks[fork_path]
        return self._states[fork.episode_path][fork.step]

    # -- the tree -----------------------------------------------------------------------------------------------------

    def tree(self, item: WorkItem, policy: ForkPolicy) -> Tree:
        explained = policy.stop_reasons(self.views.view()) if isinstance(policy, ExplainsStops) else {}
        return Tree(
            item=item,
            episodes={path: self._episodes[path] for path in sorted(self._episodes, key=path_order)},
            forks={path: self._reviewed(self._forks[path]) for path in sorted(self._forks, key=path_order)},
            replies=dict(sorted(self._player.ledger.replies.items())),
            early_stop=self.cut_short,
            turn_limit=self._player.settings.turn_limit,
            stop_reasons={} if self.cut_short else dict(explained),
        )

    def _reviewed(self, fork: Fork) -> Fork:
        """With what the critic said of its actions; spends are added in the order of actions, whatever the order of answers."""
        actions, spend = [], fork.spend
        for action in fork.actions:
            said, paid = self._reviews.get((fork.path, action.index), (None, Spend()))
            actions.append(replace(action, review=said))
            spend += paid
        return replace(fork, actions=tuple(actions), spend=spend)


def _first_leaf(group: BaseExceptionGroup[RolloutError]) -> RolloutError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, RolloutError)
    return error
