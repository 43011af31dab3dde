"""What is asked at a fork: the actor for alternatives, the critic for its word on each.

Neither can fail a tree: where an endpoint gives no answer, the fork has fewer draws, or the action no verdict, and both are valid
data. Only a fatal failure, and the end of the budget, go up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

from rollouts.episode import Approve, Briefing, Draft, Review, Usage
from rollouts.errors import RolloutError
from rollouts.fork_views import OpenFork
from rollouts.identity import action_key
from rollouts.ledger import Turn
from rollouts.meter import SpendCounter
from rollouts.play import Place, Player, State
from rollouts.protocols import Critic, Judgement, NoCritic, Question
from rollouts.supervision import reminders, step_kind
from rollouts.tree import ForkAction, action_path, step_path

S = TypeVar("S")


async def draw(
    player: Player[S], state: State[S], request: OpenFork, drafts: Sequence[Draft], spending: SpendCounter
) -> list[Draft]:
    """`drafts`, the forked episode's own first, and those drawn now: until `width` actions are known or `max_draws` is reached."""
    path = step_path(request.episode_path, request.step)
    turn = player.turn(Place(path=path, user_path=path), request.step, spending)
    drawn, known = list(drafts), {action_key(draft) for draft in drafts}

    async def ask(seed: int) -> Draft:
        told = reminders(state.lasting)
        return await player.cast.actor.act(state.conversation, player.briefing, seed=seed, feedback=told)

    while len(known) < request.width and len(drawn) < request.max_draws:
        try:
            draft = await turn.ask("draw", len(drawn), ask)
        except RolloutError as error:
            if error.fatal:
                raise
            break
        drawn.append(draft)
        known.add(action_key(draft))
    return drawn


def distinct(drafts: Sequence[Draft], briefing: Briefing) -> tuple[ForkAction, ...]:
    """Equal drafts are one action, in the order of their first draw."""
    keys = [action_key(draft) for draft in drafts]
    first = dict(zip(reversed(keys), reversed(drafts), strict=True))
    return tuple(
        ForkAction(
            index=index,
            draft=first[key],
            action_key=key,
            kind=step_kind(first[key], briefing),
            multiplicity=keys.count(key),
        )
        for index, key in enumerate(dict.fromkeys(keys))
    )


async def review(
    player: Player[S], state: State[S], fork_path: str, action: ForkAction, spending: SpendCounter
) -> Review:
    """The critic's word on an action. Its verdict is None when it could not be had or not be read: it is never guessed."""
    if isinstance(player.cast.critic, NoCritic):
        return Review(draft=action.draft, verdict=Approve(), usage=Usage(calls=0))
    turn = _critics_turn(player, state, action_path(fork_path, action.index), spending)
    try:
        judgement = await turn.ask(
            "critic", 0, partial(_judge, player.cast.critic, player.briefing, state, action.draft)
        )
    except RolloutError as error:
        if error.fatal:
            raise
        return Review(draft=action.draft, verdict=None, usage=error.usage or Usage(calls=0))
    return Review(draft=action.draft, verdict=judgement.verdict, score=judgement.score, usage=judgement.usage)


def _critics_turn(player: Player[S], state: State[S], path: str, spending: SpendCounter) -> Turn:
    return player.turn(Place(path=path, user_path=path), state.step, spending)


async def _judge(critic: Critic, briefing: Briefing, state: State[S], draft: Draft, seed: int) -> Judgement:
    question = Question(conversation=state.conversation, briefing=briefing, draft=draft, seed=seed)
    [judgement] = await critic.judge([question])
    return judgement
