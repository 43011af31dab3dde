"""Whole episodes, scripted on both sides, through the player that plays every environment."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from actors.environments.userbench.environment import TravelEnvironment, TravelState
from actors.scripted_travel import ScriptedTravelCasting, TravelErrors
from rollouts.episode import (
    AssistantMessage,
    Episode,
    Finished,
    StopReason,
    Task,
    ToolMessage,
    UserMessage,
    seen_by_actor,
)
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Place, Played, Player, PlaySettings
from rollouts.protocols import NoCritic
from rollouts.supervision import Supervision

pytestmark = pytest.mark.userbench
PERFECT = TravelErrors(sloppy_search=0, vague_question=0, early_choice=0, wrong_choice=0)
SETTINGS = PlaySettings(supervision=Supervision(), turn_limit=40, episode_timeout_s=60)


def player(
    travel: TravelEnvironment, task: Task, *, errors: TravelErrors = PERFECT, seed: int = 0
) -> Player[TravelState]:
    return Player(
        travel,
        task=task,
        cast=ScriptedTravelCasting(errors=errors, critic=NoCritic()).cast(task),
        seed=seed,
        settings=SETTINGS,
        meter=Meter(),
        clock=lambda: 0.0,
        ledger=Ledger(),
    )


async def trunk(playing: Player[TravelState]) -> Played[TravelState]:
    return await playing.trunk(Place(path="t0", user_path="t0"))


def value(episode: Episode) -> float:
    assert isinstance(episode.outcome, Finished)
    assert episode.outcome.reward is not None
    return episode.outcome.reward.value


async def test_an_agent_that_asks_for_everything_gets_the_best_of_every_aspect(travel: TravelEnvironment) -> None:
    for group in ("22", "233", "444", "2222"):
        task = travel.tasks(f"T-{group}/train")[0]
        episode = (await trunk(player(travel, task))).episode
        assert isinstance(episode.outcome, Finished)
        assert episode.outcome.stop is StopReason.AGENT_STOP
        assert value(episode) == 1.0
        kinds = Counter(step.kind for step in episode.steps)
        assert kinds["write"] == len(group)
        assert kinds["message"] >= len(group) + sum(map(int, group))


async def test_every_step_reward_and_every_prompt_is_recorded_out_of_the_actors_sight(
    travel: TravelEnvironment,
) -> None:
    episode = (await trunk(player(travel, travel.tasks("T-22/train")[0]))).episode
    conversation = episode.opening + tuple(message for step in episode.steps for message in step.added)
    told = [json.loads(m.content) for m in conversation if isinstance(m, ToolMessage) and m.side == "user"]
    assert sum(part.get("reward", 0) for part in told) == pytest.approx(0.2 * (2 + 4))
    assert sum("system" in part for part in told) == 2 + 2 * 4
    seen = seen_by_actor(conversation)
    assert [type(message) for message in seen[:3]] == [UserMessage, AssistantMessage, UserMessage]
    assert not any('"system"' in str(message) or "P1" in str(message) for message in seen)


async def test_equal_seeds_give_equal_episodes_and_mistakes_cost(travel: TravelEnvironment) -> None:
    task = travel.tasks("T-444/train")[0]
    errors = TravelErrors()
    episodes = [
        (await trunk(player(travel, task, errors=errors, seed=seed))).episode for seed in (*range(12), *range(12))
    ]
    assert episodes[:12] == episodes[12:]
    values = {round(value(episode), 6) for episode in episodes}
    assert len(values) > 2
    assert max(values) <= 1.0


async def test_a_fork_shares_the_state_and_its_branches_start_from_it(travel: TravelEnvironment) -> None:
    task = travel.tasks("T-22/train")[0]
    playing = player(travel, task)
    played = await trunk(playing)
    step = next(step for step in played.episode.steps if step.kind == "write")
    state = played.states[step.index]
    key = travel.key(state.environment)
    wrong = played.episode.steps[-1].action
    places = [Place(path=f"t0.s{step.index}.a{index}.r0", user_path="t0.r0") for index in range(2)]
    best = (await playing.branch(places[0], state, step.action)).episode
    other = (await playing.branch(places[1], state, wrong)).episode
    assert value(best) == value(other) == 1.0
    assert [s.state_key for s in best.steps[:1]] == [s.state_key for s in other.steps[:1]] == [step.state_key]
    assert travel.key(state.environment) == key


async def test_at_the_turn_limit_what_was_recommended_counts(travel: TravelEnvironment) -> None:
    task = travel.tasks("T-22/train")[0]
    full = (await trunk(player(travel, task))).episode
    first = next(step.index for step in full.steps if step.kind == "write")
    short = Player(
        travel,
        task=task,
        cast=ScriptedTravelCasting(errors=PERFECT, critic=NoCritic()).cast(task),
        seed=0,
        settings=PlaySettings(supervision=Supervision(), turn_limit=first + 1, episode_timeout_s=60),
        meter=Meter(),
        clock=lambda: 0.0,
        ledger=Ledger(),
    )
    outcome = (await trunk(short)).episode.outcome
    assert isinstance(outcome, Finished)
    assert (outcome.stop, outcome.reward and outcome.reward.value) == (StopReason.TURN_LIMIT, 0.5)
