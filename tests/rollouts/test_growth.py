"""What holds of every grown tree, whoever decides and whatever breaks."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.branching import FORK_POLICIES, fork_policy
from rollouts.episode import Approve, Briefing, Conversation, Draft, Episode, Failure, Finished, Revise, Usage
from rollouts.errors import FailureKind, RolloutError
from rollouts.evidence import PlayTable, return_of
from rollouts.explore import explore
from rollouts.fork_views import ForkPolicy, PlayBranch, PlayRevised, PlayTrunk, Request, TreeView
from rollouts.meter import Meter
from rollouts.protocols import Judgement, Question
from rollouts.slots import Slots
from rollouts.tree import Tree, branch_path, branch_place, revised_path, trunk_path
from tests.toy import BRANCHING, ToyActor, press, toy_item, toy_player

SETTINGS = replace(BRANCHING, trunks=3, rollouts=5, forked_trunks=2)
POLICIES = st.sampled_from(sorted(FORK_POLICIES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaky(ToyActor):
    """Gives no answer to one call in so many."""

    broken: float = 0.0

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        if random.Random(seed ^ 1).random() < self.broken:
            raise RolloutError("no answer", kind=FailureKind.INFRASTRUCTURE)
        return await ToyActor.act(self, conversation, briefing, seed=seed, feedback=feedback)


class Pointing:
    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [self._judgement(question) for question in questions]

    def _judgement(self, question: Question) -> Judgement:
        good = question.draft.tool_calls in ((), press("right").tool_calls)
        score = random.Random(question.seed).random()
        return Judgement(verdict=Approve() if good else Revise(feedback="No."), usage=Usage(), score=score)


@dataclass
class Overheard:
    """What a policy asked for, in all rounds."""

    policy: ForkPolicy
    asked: list[Request]

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        made = self.policy.requests(view)
        self.asked += made
        return made


def _grown(policy: ForkPolicy, *, broken: float, seed: int, slots: int = 8) -> Tree:
    player = toy_player(Flaky(skill=0.6, broken=broken), seed=seed)
    player.cast = replace(player.cast, critic=Pointing())
    return asyncio.run(explore(toy_item(seed=seed), player, policy=policy, meter=Meter(), slots=Slots(slots)))


def _path(request: Request) -> str | None:
    match request:
        case PlayTrunk(index=index):
            return trunk_path(index)
        case PlayBranch(fork_path=fork, action=action, rollout=rollout):
            return branch_path(fork, action, rollout)
        case PlayRevised(fork_path=fork, action=action, rollout=rollout):
            return revised_path(fork, action, rollout)
        case _:
            return None


@settings(max_examples=30, deadline=None)
@given(POLICIES, st.sampled_from([0.0, 0.05, 0.4]), st.integers(0, 999), st.sampled_from([None, 0, 2]))
def test_every_play_that_is_asked_for_settles_once_as_returned_or_as_failed(
    name: str, broken: float, seed: int, uplift: int | None
) -> None:
    listening = Overheard(fork_policy(name, SETTINGS, uplift_rollouts=uplift), [])
    tree = _grown(listening, broken=broken, seed=seed)
    paths = [path for path in map(_path, listening.asked) if path]
    assert sorted(tree.episodes) == sorted(set(paths))
    for episode in tree.episodes.values():
        assert isinstance(episode.outcome, Failure) or episode.outcome.reward is not None
    assert not tree.early_stop


@settings(max_examples=20, deadline=None)
@given(POLICIES, st.integers(0, 999), st.sampled_from([None, 1]))
def test_any_number_of_plays_at_once_gives_the_same_tree(name: str, seed: int, uplift: int | None) -> None:
    one, many = (
        _grown(fork_policy(name, SETTINGS, uplift_rollouts=uplift), broken=0.1, seed=seed, slots=slots)
        for slots in (1, 64)
    )
    assert one.forks == many.forks
    assert _timeless(one) == _timeless(many)


def _timeless(tree: Tree) -> list[Episode]:
    return [replace(episode, duration_s=0.0) for episode in tree.episodes.values()]


@settings(max_examples=30, deadline=None)
@given(POLICIES, st.sampled_from([0.0, 0.2]), st.integers(0, 999), st.sampled_from([None, 2]))
def test_forced_evidence_never_leaks_into_an_ancestor(name: str, broken: float, seed: int, uplift: int | None) -> None:
    """Counted again from the definition: a play counts for what it did in a state if all that follows is the actor's own."""
    tree = _grown(fork_policy(name, SETTINGS, uplift_rollouts=uplift), broken=broken, seed=seed)
    expected: Counter[tuple[bytes, bytes]] = Counter()
    for episode in tree.episodes.values():
        place = branch_place(episode.path)
        if place is None or return_of(episode) is None:
            continue
        for index, step in enumerate(episode.steps):
            revised = index == 0 and place.critique is not None
            if not revised and not any(later.forced for later in episode.steps[index + 1 :]):
                expected[step.state_key, step.action_key] += 1
    plays = PlayTable(tree.episodes.values())
    for fork in tree.forks.values():
        for action in fork.actions:
            assert plays.evidence(fork, action).total.n == expected[fork.state_key, action.action_key]
        before = [path for path in tree.episodes if path.startswith(f"{fork.path}.")]
        assert all(step.index >= fork.step for path in before for step in tree.episodes[path].steps)


@pytest.mark.parametrize("name", sorted(set(FORK_POLICIES) - {"none"}))
def test_a_play_that_fails_is_no_return_of_0(name: str) -> None:
    tree = _grown(fork_policy(name, SETTINGS), broken=0.3, seed=5)
    failed = [episode for episode in tree.episodes.values() if isinstance(episode.outcome, Failure)]
    assert failed
    assert {return_of(episode) for episode in failed} == {None}
    assert all(isinstance(e.outcome, Finished) for e in tree.episodes.values() if return_of(e) is not None)
