"""A judge at the end of an episode: what it is shown, when it is asked, what becomes of the episode."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from rollouts.episode import Conversation, Episode, Failure, Finished, Reward, StopReason
from rollouts.errors import FailureKind, RolloutError
from rollouts.judging import ASSERTED
from rollouts.play import Place, Player
from rollouts.protocols import Judge, NoJudge
from rollouts.tree import branch_path
from tests.rollouts.test_judging import Bench
from tests.toy import PRESSES, SETTINGS, ToyActor, ToyEnvironment, ToyState, press, toy_player

TRUNK = Place(path="t0", user_path="t0")
PERFECT = ToyActor(skill=1.0)
BROKEN = RolloutError("the endpoint broke", kind=FailureKind.INFRASTRUCTURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asserting(ToyEnvironment):
    """The toy, with one assertion about the talk."""

    in_basis: bool

    def reward(self, state: ToyState, conversation: Conversation, stop: StopReason) -> Reward:
        reward = ToyEnvironment.reward(self, state, conversation, stop)
        return replace(
            reward,
            basis=(*reward.basis, ASSERTED) if self.in_basis else reward.basis,
            not_evaluated=(ASSERTED,),
            assertions=("The agent says goodbye.",),
        )


def _player(judge: Judge, *, actor: ToyActor = PERFECT, in_basis: bool = True, **settings: float) -> Player[ToyState]:
    player = toy_player(actor, settings=replace(SETTINGS, **settings))  # type: ignore[arg-type]
    player.environment = Asserting(in_basis=in_basis)
    player.cast = replace(player.cast, judge=judge)
    return player


def _reward(episode: Episode) -> Reward:
    assert isinstance(episode.outcome, Finished)
    assert episode.outcome.reward is not None
    return episode.outcome.reward


@pytest.mark.parametrize(("met", "value"), [(True, 1.0), (False, 0.0)])
async def test_the_ruling_on_the_whole_conversation_is_part_of_the_return(met: bool, value: float) -> None:
    bench = Bench(met=(met,))
    episode = (await _player(bench).trunk(TRUNK)).episode
    assert (_reward(episode).value, _reward(episode).parts) == (value, {"PRESSED": 1.0, ASSERTED: value})
    assert _reward(episode).not_evaluated == ()
    assert episode.spend.judge_calls == 1
    [(assertions, conversation, _)] = bench.asked
    assert assertions == ("The agent says goodbye.",)
    assert conversation == (*episode.opening, *(message for step in episode.steps for message in step.added))


async def test_a_judge_of_a_branch_sees_the_conversation_before_the_fork_too() -> None:
    bench = Bench()
    player = _player(bench)
    start = (await player.trunk(TRUNK)).states[1]
    place = Place(path=branch_path("t0.s1", 1, 0), user_path="t0.s1.r0")
    episode = (await player.branch(place, start, press("right"))).episode
    assert bench.asked[1][1][: len(start.conversation)] == start.conversation
    assert _reward(episode).parts[ASSERTED] == 1.0


async def test_each_place_is_judged_by_its_own_seed_and_again_by_the_same() -> None:
    bench = Bench()
    player = _player(bench)
    for name in ("t0", "t1", "t0"):
        await player.trunk(Place(path=name, user_path=name))
    first, second, again = [seed for _, _, seed in bench.asked]
    assert first == again != second


async def test_a_lost_episode_costs_no_call_where_the_part_could_only_multiply_it() -> None:
    bench = Bench()
    episode = (await _player(bench, actor=ToyActor(skill=0.0)).trunk(TRUNK)).episode
    assert (_reward(episode).value, _reward(episode).not_evaluated) == (0.0, (ASSERTED,))
    assert bench.asked == []
    assert episode.spend.judge_calls == 0


async def test_an_episode_at_the_turn_limit_is_judged_too() -> None:
    bench = Bench()
    episode = (await _player(bench, in_basis=False, turn_limit=2).trunk(TRUNK)).episode
    assert isinstance(episode.outcome, Finished)
    assert episode.outcome.stop is StopReason.TURN_LIMIT
    assert _reward(episode).parts == {"PRESSED": 0.0, ASSERTED: 1.0}


async def test_an_episode_without_a_return_is_not_judged() -> None:
    bench = Bench()
    player = toy_player(PERFECT, stopping=True)
    player.environment, player.cast = Asserting(in_basis=True), replace(player.cast, judge=bench)
    assert (await player.trunk(TRUNK)).episode.outcome == Finished(stop=StopReason.BUDGET, reward=None)
    assert bench.asked == []


async def test_without_a_judge_the_part_is_named_as_not_evaluated() -> None:
    player = toy_player(PERFECT)
    player.environment = Asserting(in_basis=True)
    assert isinstance(player.cast.judge, NoJudge)
    reward = _reward((await player.trunk(TRUNK)).episode)
    assert (reward.value, reward.parts, reward.not_evaluated) == (1.0, {"PRESSED": 1.0}, (ASSERTED,))


async def test_a_judge_that_fails_fails_the_episode_and_its_steps_are_kept() -> None:
    episode = (await _player(Bench(error=BROKEN)).trunk(TRUNK)).episode
    assert isinstance(episode.outcome, Failure)
    assert episode.outcome.kind is FailureKind.JUDGE
    assert len(episode.steps) == PRESSES + 1
    assert episode.spend.actor_calls == PRESSES + 1


async def test_a_silent_judge_does_not_cost_an_episode_that_does_not_need_it() -> None:
    player = _player(Bench(silent=True), in_basis=False, episode_timeout_s=0.5)
    reward = _reward((await player.trunk(TRUNK)).episode)
    assert (reward.value, reward.not_evaluated) == (1.0, (ASSERTED,))


async def test_a_judge_that_nobody_could_ask_stops_the_work() -> None:
    wrong_key = RolloutError("wrong key", kind=FailureKind.REJECTED, fatal=True)
    with pytest.raises(RolloutError, match="wrong key"):
        await _player(Bench(error=wrong_key), in_basis=False).trunk(TRUNK)
