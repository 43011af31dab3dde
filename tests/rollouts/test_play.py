"""One episode from a state to its end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rollouts.episode import AssistantMessage, Failure, Finished, Side, StopReason, ToolCall, UserMessage
from rollouts.errors import FailureKind
from rollouts.play import Place, Played
from rollouts.protocols import Transition
from rollouts.tree import branch_path
from tests.toy import PRESSES, SETTINGS, ToyActor, ToyEnvironment, ToyState, press, toy_player

TRUNK = Place(path="t0", user_path="t0")


async def _trunk(actor: ToyActor, **settings: object) -> Played[ToyState]:
    return await toy_player(actor, settings=replace(SETTINGS, **settings)).trunk(TRUNK)  # type: ignore[arg-type]


async def test_a_perfect_actor_is_rewarded_and_the_user_ends_the_episode() -> None:
    played = await _trunk(ToyActor(skill=1.0))
    outcome = played.episode.outcome
    assert isinstance(outcome, Finished)
    assert outcome.stop is StopReason.USER_STOP
    assert outcome.reward is not None
    assert outcome.reward.value == 1.0
    assert [step.kind for step in played.episode.steps] == ["write"] * PRESSES + ["message"]


async def test_the_conversation_is_the_opening_and_what_each_step_added() -> None:
    played = await _trunk(ToyActor(skill=1.0))
    assert isinstance(played.episode.opening[0], UserMessage)
    rebuilt = played.episode.opening
    for step, state in zip(played.episode.steps, played.states, strict=True):
        assert state.conversation == rebuilt
        rebuilt += step.added
    assert rebuilt[-2:] == (AssistantMessage(text="Goodbye."), UserMessage(text="###STOP###"))


async def test_equal_seeds_give_equal_episodes_and_other_seeds_other_ones() -> None:
    again = [
        [step.action_key for step in (await toy_player(ToyActor(skill=0.5), seed=seed).trunk(TRUNK)).episode.steps]
        for seed in (1, 1, 2, 3, 4)
    ]
    assert again[0] == again[1]
    assert len({tuple(keys) for keys in again}) > 1


async def test_the_turn_limit_truncates_and_the_environment_says_what_that_is_worth() -> None:
    outcome = (await _trunk(ToyActor(skill=1.0), turn_limit=2)).episode.outcome
    assert isinstance(outcome, Finished)
    assert outcome.stop is StopReason.TURN_LIMIT
    assert not outcome.stop.terminated
    assert outcome.reward is not None
    assert outcome.reward.value == 0.0


async def test_a_provider_failure_is_a_record_with_the_steps_before_it_and_no_reward() -> None:
    episode = (await _trunk(ToyActor(skill=1.0, fail_after=2))).episode
    assert isinstance(episode.outcome, Failure)
    assert episode.outcome.kind is FailureKind.INFRASTRUCTURE
    assert len(episode.steps) == 2
    assert episode.spend.actor_calls == 2


async def test_an_answer_that_no_model_could_read_fails_the_episode_before_it_eats_the_memory() -> None:
    class Growing(ToyEnvironment):
        def apply(self, state: ToyState, call: ToolCall, *, side: Side = "actor") -> Transition[ToyState]:
            pressed = super().apply(state, call, side=side)
            return replace(pressed, content="x" * (400_000 << len(pressed.state.pressed)))

    player = toy_player(ToyActor(skill=1.0))
    player.environment = Growing()
    episode = (await player.trunk(TRUNK)).episode
    assert isinstance(episode.outcome, Failure)
    assert episode.outcome.kind is FailureKind.ENVIRONMENT
    assert len(episode.steps) == 1


async def test_an_episode_that_outlives_its_deadline_fails_as_a_timeout() -> None:
    outcome = (await _trunk(ToyActor(wait_s=30.0), episode_timeout_s=0.05)).episode.outcome
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.TIMEOUT


async def test_a_stopping_worker_ends_an_episode_without_a_return() -> None:
    outcome = (await toy_player(ToyActor(), stopping=True).trunk(TRUNK)).episode.outcome
    assert outcome == Finished(stop=StopReason.BUDGET, reward=None)


@pytest.mark.parametrize(("button", "value"), [("right", 1.0), ("wrong", 0.0)])
async def test_a_branch_plays_the_given_action_first_and_leaves_its_start_untouched(button: str, value: float) -> None:
    player = toy_player(ToyActor(skill=1.0))
    trunk = await player.trunk(TRUNK)
    start = trunk.states[1]
    before = (start.environment, start.conversation, start.step)
    place = Place(path=branch_path("t0.s1", 1, 0), user_path="t0.s1.r0")
    episode = (await player.branch(place, start, press(button))).episode
    assert (start.environment, start.conversation, start.step) == before
    assert [step.index for step in episode.steps] == [1, 2, 3]
    assert [step.forced for step in episode.steps] == [True, False, False]
    assert isinstance(episode.outcome, Finished)
    assert episode.outcome.reward is not None
    assert episode.outcome.reward.value == value


async def test_equal_states_have_equal_keys_however_they_were_reached() -> None:
    player = toy_player(ToyActor(skill=1.0))
    trunk = await player.trunk(TRUNK)
    branch = await player.branch(Place(path="t0.s1.a0.r0", user_path="t0.s1.r0"), trunk.states[1], press("right"))
    assert [player.state_key(state) for state in branch.states] == [
        player.state_key(state) for state in trunk.states[1:]
    ]
    assert len({player.state_key(state) for state in trunk.states}) == len(trunk.states)
