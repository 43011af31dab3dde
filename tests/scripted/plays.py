"""Playing stand-ins with the real player, and walking through the places where they choose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TypeVar

from actors.scripted import FLAT, PERFECT, Difficulty, ErrorRates, ScriptedActor, ScriptedCasting
from rollouts.episode import Conversation, Draft, Finished, Task
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Place, Played, Player, PlaySettings, State
from rollouts.protocols import Cast, Environment
from rollouts.supervision import Supervision

S = TypeVar("S")
SOMETIMES = ErrorRates(
    wrong_argument=0.1,
    skipped_write=0.1,
    unconfirmed_write=0.1,
    wrong_tool=0.1,
    premature_transfer=0.05,
    premature_goodbye=0.05,
    missing_information=0.2,
    useless_read=0.1,
    skipped_read=0.1,
)


def cast_for(
    task: Task, *, errors: ErrorRates = PERFECT, difficulty: Difficulty = FLAT, seed: int = 0
) -> tuple[Cast, ScriptedActor]:
    """A cast, and its actor once more under its own type."""
    cast = ScriptedCasting(errors=errors, difficulty=difficulty, seed=seed).cast(task)
    assert isinstance(cast.actor, ScriptedActor)
    return cast, cast.actor


def player(
    environment: Environment[S], cast: Cast, task: Task, *, seed: int, turns: int = 30, supervision: Supervision
) -> Player[S]:
    return Player(
        environment,
        task=task,
        cast=cast,
        seed=seed,
        settings=PlaySettings(supervision=supervision, turn_limit=turns, episode_timeout_s=60),
        meter=Meter(),
        clock=lambda: 0.0,
        ledger=Ledger(),
    )


async def play(
    environment: Environment[S], cast: Cast, task: Task, *, seed: int, turns: int = 30, supervised: bool = False
) -> Played[S]:
    supervision = Supervision(review="all" if supervised else "none")
    playing = player(environment, cast, task, seed=seed, turns=turns, supervision=supervision)
    return await playing.trunk(Place(path="t0", user_path="t0"))


async def play_on(
    environment: Environment[S], cast: Cast, task: Task, start: State[S], draft: Draft, *, seed: int
) -> Played[S]:
    """A branch: the given action from a state, then the actor's own."""
    playing = player(environment, cast, task, seed=seed, supervision=Supervision())
    return await playing.branch(Place(path="t0.s0.a1.r0", user_path="t0.s0.r0"), start, draft)


def value(played: Played[S]) -> float:
    outcome = played.episode.outcome
    assert isinstance(outcome, Finished) and outcome.reward is not None
    return outcome.reward.value


def conversation(played: Played[S]) -> Conversation:
    """All of a trunk's messages."""
    return sum((step.added for step in played.episode.steps), played.episode.opening)


async def places(environment: Environment[S], cast: Cast, task: Task, *, num_plays: int) -> AsyncIterator[State[S]]:
    """The states in which the actor chose during some plays, forked branches included."""
    for seed in range(num_plays):
        trunk = await play(environment, cast, task, seed=seed)
        for state in trunk.states:
            yield state
