"""Play one episode from a state to its end.

Invariants: every play ends in exactly one outcome; the failures of providers, tools and time end here as a `Failure` (the one error
boundary), our own bugs do not; a state is never changed, so any number of plays may start from one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeAlias, TypeVar, assert_never

from rollouts.budget import Stopped
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    Episode,
    Failure,
    Finished,
    Outcome,
    Review,
    Revise,
    Side,
    Step,
    StopReason,
    Task,
    ToolMessage,
    Usage,
    UserMessage,
)
from rollouts.errors import FailureKind, RolloutError
from rollouts.identity import action_key, conversation_key, digest
from rollouts.judging import judged
from rollouts.ledger import Ledger, Part, Turn
from rollouts.meter import Meter, SpendCounter
from rollouts.protocols import Cast, Clock, Environment, Policy
from rollouts.seeds import derive_seed
from rollouts.supervision import Accepted, Supervision, propose, reminders, step_kind

S = TypeVar("S")

MAX_OBSERVATION_CHARS = 1_000_000
# some answers double with each call (every cancellation refunds all payments so far): a loop of calls must not eat the memory
USER_CALLS_PER_TURN = 20
# a simulated user that goes on calling its tools is stuck; the longest gold sequences between two messages are about ten


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaySettings:
    supervision: Supervision
    turn_limit: int
    # actor steps of a trajectory, its shared prefix included
    episode_timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Generic[S]):
    """Everything an episode needs to go on. A fork is a second reference to one of these."""

    environment: S
    conversation: Conversation
    conversation_key: bytes
    step: int
    # index of the step to be taken next
    lasting: tuple[str, ...] = ()
    # objections of earlier turns that the actor is still reminded of, oldest first; `conversation_key` covers them


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a play stands in its tree; its seeds derive from here."""

    path: str
    user_path: str
    # siblings of a fork share it per rollout, so that they meet the same user (paired chance)


FirstMove: TypeAlias = Draft | Review | None
# how a play begins: an action that is given; a critique that the actor is given and revises its draft by; or as the actor likes


@dataclass(frozen=True, slots=True, kw_only=True)
class Played(Generic[S]):
    episode: Episode
    states: tuple[State[S], ...]
    # states[i] is the state that episode.steps[i] was taken in


class Player(Generic[S]):
    """Plays episodes of one work item."""

    def __init__(
        self,
        environment: Environment[S],
        *,
        task: Task,
        cast: Cast,
        seed: int,
        settings: PlaySettings,
        meter: Meter,
        clock: Clock,
        ledger: Ledger,
    ) -> None:
        """Once `ledger` is stopping, live episodes end as truncated by the budget at the next call they would have to pay for."""
        self.environment = environment
        self.briefing: Briefing = environment.briefing(task)
        self.cast = cast
        self._task = task
        self._seed = seed
        self._settings = settings
        self._meter = meter
        self._clock = clock
        self.ledger = ledger

    def seed(self, place: str, step: int, role: str, attempt: int = 0) -> int:
        """The seed of one LLM call."""
        return derive_seed(self._seed, self._task.task_id, place, step, role, attempt)

    def state_key(self, state: State[S]) -> bytes:
        """16 bytes, equal for equal states wherever they arise."""
        return digest(self.environment.key(state.environment), state.conversation_key)

    async def trunk(self, place: Place) -> Played[S]:
        """Play from the beginning: the user opens."""
        spending = SpendCounter(self._meter.spending)
        start = State(environment=self.environment.initial(self._task), conversation=(), conversation_key=b"", step=0)
        return await self._bounded(place, start, spending, opens=True, first=None)

    async def branch(self, place: Place, start: State[S], forced: Draft) -> Played[S]:
        """Play from a fork: the action there is given, everything after it is the actor's."""
        return await self._bounded(place, start, SpendCounter(self._meter.spending), opens=False, first=forced)

    async def revised(self, place: Place, start: State[S], critique: Review) -> Played[S]:
        """Play from a fork: the actor is given the critique's feedback and its revision takes effect unreviewed.

        Everything after it is played as in a branch.
        """
        return await self._bounded(place, start, SpendCounter(self._meter.spending), opens=False, first=critique)

    async def _bounded(
        self, place: Place, start: State[S], spending: SpendCounter, *, opens: bool, first: FirstMove
    ) -> Played[S]:
        began = self._clock()
        run = _Run(self, place, start, spending, first)
        outcome: Outcome
        try:
            async with asyncio.timeout(self._settings.episode_timeout_s):
                finished = await run.to_end(opens=opens)
            outcome = await run.judged(finished)
            # under a deadline of its own: a slow judge must not cost an episode that was played to its end
        except TimeoutError:
            limit = self._settings.episode_timeout_s
            outcome = Failure(kind=FailureKind.TIMEOUT, message=f"the episode outlived its {limit:g} s")
        except Stopped:
            outcome = Finished(stop=StopReason.BUDGET, reward=None)
        except RolloutError as error:
            if error.fatal:
                raise
            outcome = _given_up(error)
        episode = Episode(
            path=place.path,
            opening=run.opening,
            steps=tuple(run.steps),
            outcome=outcome,
            spend=spending.spend(),
            duration_s=self._clock() - began,
        )
        return Played(episode=episode, states=tuple(run.states))

    @property
    def settings(self) -> PlaySettings:
        return self._settings

    def turn(self, place: Place, step: int, spending: SpendCounter) -> Turn:
        """The calls of one step. The user's seeds derive from the place's `user_path`."""

        def seed_for(part: Part, attempt: int) -> int:
            return self.seed(place.user_path if part in ("user", "opening") else place.path, step, part, attempt)

        return Turn(self.ledger, path=place.path, step=step, seed_for=seed_for, spending=spending)


def _given_up(error: RolloutError) -> Outcome:
    """Which of the models outgrew its window is told by the table `calls`: its call is the one that is missing."""
    if error.kind is FailureKind.CONTEXT_LENGTH:
        return Finished(stop=StopReason.CONTEXT_LENGTH, reward=None)
    return Failure(kind=error.kind, message=str(error))


async def _heard(user: Policy, conversation: Conversation, briefing: Briefing, seed: int) -> Draft:
    return await user.act(conversation, briefing, seed=seed)


def _with_lasting(key: bytes, lasting: tuple[str, ...]) -> bytes:
    """An actor that is reminded of other things is in another state."""
    return digest(key, *(text.encode("utf-8", "surrogatepass") for text in lasting)) if lasting else key


async def _revised(
    actor: Policy, conversation: Conversation, briefing: Briefing, feedback: tuple[str, ...], seed: int
) -> Draft:
    return await actor.act(conversation, briefing, seed=seed, feedback=feedback)


class _Run(Generic[S]):
    """One play under way. LIVE → ended by `to_end` or by an exception; what was played until then stays readable."""

    def __init__(
        self, player: Player[S], place: Place, start: State[S], spending: SpendCounter, first: FirstMove
    ) -> None:
        self.opening: Conversation = ()
        self.steps: list[Step] = []
        self.states: list[State[S]] = []
        self._player = player
        self._place = place
        self._state = start
        self._spending = spending
        self._first = first

    async def to_end(self, *, opens: bool) -> Finished:
        stop = await self._open() if opens else None
        while stop is None:
            if self._state.step >= self._player.settings.turn_limit:
                stop = StopReason.TURN_LIMIT
            else:
                stop = await self._step()
        state = self._state
        reward = self._player.environment.reward(state.environment, state.conversation, stop)
        return Finished(stop=stop, reward=reward)

    async def judged(self, finished: Finished) -> Finished:
        """With the judge's ruling in the reward, where the task asserts something and there is a judge to ask."""
        if finished.reward is None:
            return finished
        player, state = self._player, self._state
        reward = await judged(
            finished.reward,
            state.conversation,
            judge=player.cast.judge,
            timeout_s=player.settings.episode_timeout_s,
            turn=self._turn(),
        )
        return replace(finished, reward=reward)

    async def _open(self) -> StopReason | None:
        environment, self.opening, stop = await self._user_turn(self._state, (), part="opening")
        self._state = State(
            environment=environment,
            conversation=self.opening,
            conversation_key=conversation_key(b"", self.opening),
            step=0,
        )
        return stop

    async def _step(self) -> StopReason | None:
        state = self._state
        first, self._first = self._first, None
        accepted = await self._decide(state, first)
        draft = accepted.draft
        said = AssistantMessage(text=draft.text, tool_calls=draft.tool_calls)
        environment = state.environment
        added: Conversation
        if draft.tool_calls:
            environment, results, stop = self._execute(environment, draft, side="actor")
            added = (said, *results)
        else:
            environment, added, stop = await self._user_turn(state, (said,), part="user")
        self._record(state, accepted.reviews, draft, added, forced=first is not None)
        self._state = State(
            environment=environment,
            conversation=state.conversation + added,
            conversation_key=_with_lasting(conversation_key(state.conversation_key, added), accepted.lasting),
            step=state.step + 1,
            lasting=state.lasting + accepted.lasting,
        )
        return stop

    async def _decide(self, state: State[S], first: FirstMove) -> Accepted:
        match first:
            case None:
                return await self._propose(state)
            case Draft():
                return Accepted(draft=first, reviews=())
            case Review():
                return await self._revise(state, first)
            case _:
                assert_never(first)

    async def _revise(self, state: State[S], critique: Review) -> Accepted:
        assert isinstance(critique.verdict, Revise), "only feedback can be delivered"
        player, objection = self._player, critique.verdict.feedback
        told = (*reminders(state.lasting), objection)
        revise = partial(_revised, player.cast.actor, state.conversation, player.briefing, told)
        draft = await self._turn().ask("actor", 0, revise)
        lasting = (objection,) if player.settings.supervision.feedback_persists else ()
        return Accepted(draft=draft, reviews=(replace(critique, usage=Usage(calls=0)),), lasting=lasting)
        # the critic was paid for once, at the fork

    async def _propose(self, state: State[S]) -> Accepted:
        player = self._player
        return await propose(
            player.cast,
            state.conversation,
            player.briefing,
            supervision=player.settings.supervision,
            turn=self._turn(),
            earlier=state.lasting,
        )

    def _execute(self, environment: S, draft: Draft, *, side: Side) -> tuple[S, Conversation, StopReason | None]:
        results: list[ToolMessage] = []
        for call in draft.tool_calls:
            transition = self._player.environment.apply(environment, call, side=side)
            environment = transition.state
            if len(transition.content) > MAX_OBSERVATION_CHARS:
                size = f"the answer of {call.name} has {len(transition.content)} characters; no model reads that"
                raise RolloutError(size, kind=FailureKind.ENVIRONMENT)
            results.append(
                ToolMessage(
                    call_id=call.call_id,
                    name=call.name,
                    content=transition.content,
                    is_error=transition.is_error,
                    side=side,
                )
            )
            if transition.stop is not None:
                return environment, tuple(results), transition.stop
        return environment, tuple(results), None

    async def _user_turn(
        self, state: State[S], said: Conversation, *, part: Part
    ) -> tuple[S, Conversation, StopReason | None]:
        """The user's answer to `said`; a user with tools may call some before it speaks."""
        player, environment, added = self._player, state.environment, said
        turn = self._turn()
        for attempt in range(USER_CALLS_PER_TURN + 1):
            heard = state.conversation + added
            draft = await turn.ask(part, attempt, partial(_heard, player.cast.user, heard, player.briefing))
            if not draft.tool_calls:
                return environment, (*added, UserMessage(text=draft.text)), player.environment.user_stop(draft.text)
            environment, results, stop = self._execute(environment, draft, side="user")
            added = (*added, UserMessage(text="", tool_calls=draft.tool_calls), *results)
            if stop is not None:
                return environment, added, stop
        limit = f"the simulated user called tools {USER_CALLS_PER_TURN + 1} times in one turn without a word"
        raise RolloutError(limit, kind=FailureKind.SIMULATOR)

    def _turn(self) -> Turn:
        return self._player.turn(self._place, self._state.step, self._spending)

    def _record(
        self, state: State[S], reviews: tuple[Review, ...], draft: Draft, added: Conversation, *, forced: bool
    ) -> None:
        self.states.append(state)
        self.steps.append(
            Step(
                index=state.step,
                state_key=self._player.state_key(state),
                action=draft,
                action_key=action_key(draft),
                kind=step_kind(draft, self._player.briefing),
                forced=forced,
                reviews=reviews,
                added=added,
            )
        )
