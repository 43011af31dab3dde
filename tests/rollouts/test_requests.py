"""What a policy may ask for, and what it is told when it asks for what cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rollouts.errors import UsageError
from rollouts.explore import explore
from rollouts.fork_views import AskCritic, OpenFork, PlayBranch, PlayRevised, PlayTrunk, Request, TreeView
from rollouts.meter import Meter
from rollouts.slots import Slots
from rollouts.tree import Tree
from tests.toy import PRESSES, ToyActor, toy_item, toy_player


class Script:
    """Asks for one round after another, whatever comes of it."""

    def __init__(self, rounds: Sequence[Sequence[Request]]) -> None:
        self._rounds = [tuple(requests) for requests in rounds]
        self.seen: list[TreeView] = []

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        self.seen.append(view)
        return self._rounds[len(self.seen) - 1] if len(self.seen) <= len(self._rounds) else ()


async def _grow(*rounds: Sequence[Request], skill: float = 0.5) -> Tree:
    player = toy_player(ToyActor(skill=skill))
    return await explore(toy_item(), player, policy=Script(rounds), meter=Meter(), slots=Slots(8))


TRUNK = [PlayTrunk(index=0)]


def _open(step: int = 0, *, width: int = 3, max_draws: int = 9, episode: str = "t0") -> OpenFork:
    return OpenFork(episode_path=episode, step=step, width=width, max_draws=max_draws)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (
            _open(PRESSES + 1),
            f"t0 has {PRESSES + 1} .0 to {PRESSES}. and is finished after them, got step {PRESSES + 1}",
        ),
        (_open(-1), "got step -1"),
        (_open(episode="t1"), "only a trunk that was played can be forked"),
        (_open(episode="t0.s0.a0.r0"), "only a trunk that was played can be forked"),
        (_open(1, width=0), "OpenFork.width must be at least 1, got 0"),
        (_open(1, max_draws=0), "OpenFork.max_draws must be at least 1, got 0"),
        (PlayTrunk(index=-1), "PlayTrunk.index must be at least 0"),
        (PlayBranch(fork_path="t0.s1", action=0, rollout=0), "there is no fork t0.s1"),
        (PlayBranch(fork_path="t0.s0", action=9, rollout=0), "the fork t0.s0 has . actions"),
        (PlayBranch(fork_path="t0.s0", action=0, rollout=-1), "PlayBranch.rollout must be at least 0"),
        (AskCritic(fork_path="t0.s9", action=0), "there is no fork t0.s9"),
        (PlayRevised(fork_path="t0.s0", action=0, rollout=0), "needs a critique of action 0 of t0.s0"),
    ],
)
async def test_what_cannot_be_is_named_before_anything_of_its_round_is_played(request_: Request, told: str) -> None:
    played = PlayBranch(fork_path="t0.s0", action=0, rollout=0)
    script = Script([TRUNK, [_open()], [played], [PlayTrunk(index=7), request_]])
    meter = Meter()
    with pytest.raises(UsageError, match=told):
        await explore(toy_item(), toy_player(ToyActor(skill=0.5)), policy=script, meter=meter, slots=Slots(8))
    assert meter.progress().episodes_settled == 2


async def test_one_fork_is_not_opened_twice_in_a_round() -> None:
    with pytest.raises(UsageError, match=r"several OpenFork of t0\.s1"):
        await _grow(TRUNK, [_open(1, width=2), _open(1, width=3)])


async def test_a_fork_opened_again_is_the_fork_that_was_opened_widely_at_once() -> None:
    slowly = await _grow(TRUNK, [_open(max_draws=2)], [_open(max_draws=4)], [_open()])
    at_once = await _grow(TRUNK, [_open()])
    assert slowly.forks == at_once.forks
    assert at_once.forks["t0.s0"].draws > 2


async def test_known_actions_keep_their_indices_when_more_are_drawn() -> None:
    branch = PlayBranch(fork_path="t0.s0", action=1, rollout=0)
    tree = await _grow(TRUNK, [_open(width=2)], [branch], [_open(width=3, max_draws=30)])
    fork = tree.forks["t0.s0"]
    assert [action.index for action in fork.actions] == [0, 1, 2]
    assert sum(action.multiplicity for action in fork.actions) == fork.draws
    assert tree.episodes["t0.s0.a1.r0"].steps[0].action_key == fork.actions[1].action_key


async def test_a_policy_that_only_repeats_itself_comes_to_an_end() -> None:
    class Stubborn:
        def requests(self, view: TreeView) -> tuple[Request, ...]:
            return (PlayTrunk(index=0), PlayTrunk(index=0))

    tree = await explore(toy_item(), toy_player(ToyActor()), policy=Stubborn(), meter=Meter(), slots=Slots(1))
    assert list(tree.episodes) == ["t0"]
    assert tree.stop_reasons == {}
