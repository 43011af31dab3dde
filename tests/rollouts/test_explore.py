"""Growing one tree."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from labeling.values import action_values, rollouts_saved
from rollouts.branching import BranchingSettings, PlayBranch, Request, TreeView, fork_policy
from rollouts.budget import Allowance
from rollouts.episode import Briefing, Conversation, Draft, Episode, Finished
from rollouts.errors import FailureKind, RolloutError
from rollouts.explore import explore
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.protocols import NoCritic
from rollouts.slots import Slots
from rollouts.tree import Tree, branch_place, path_order
from tests.toy import BRANCHING, PRESSES, ToyActor, press, toy_item, toy_player

EVERY = replace(BRANCHING, trunks=3, rollouts=3)


async def _grow(actor: ToyActor, settings: BranchingSettings = EVERY, *, slots: int = 8, seed: int = 0) -> Tree:
    player = toy_player(actor, seed=seed)
    policy = fork_policy("every_step", settings)
    return await explore(toy_item(seed=seed), player, policy=policy, meter=Meter(), slots=Slots(slots))


def _without_time(tree: Tree) -> list[Episode]:
    return [replace(episode, duration_s=0.0) for episode in tree.episodes.values()]


async def test_every_step_of_the_chosen_trunk_is_forked_and_every_action_gets_its_rollouts() -> None:
    tree = await _grow(ToyActor(skill=0.6))
    [forked] = {fork.episode_path for fork in tree.forks.values()}
    assert [fork.step for fork in tree.forks.values()] == list(range(len(tree.episodes[forked].steps)))
    for fork in tree.forks.values():
        assert fork.actions[0].action_key == tree.episodes[forked].steps[fork.step].action_key
        assert sum(action.multiplicity for action in fork.actions) == fork.draws
    for value in action_values(tree, level=0.8):
        wanted = 0 if value.stop_reason == "settled_by_next" else max(0, 3 - value.free_n)
        assert len(tree.branches(value.fork_path, value.action_index)) == wanted


async def test_what_other_plays_have_shown_is_not_played_again() -> None:
    tree = await _grow(ToyActor(skill=0.9), replace(EVERY, rollouts=16))
    values = action_values(tree, level=0.8)
    saved = rollouts_saved(values, rollouts=16)
    assert saved == 16 * len(values) - sum("." in path for path in tree.episodes)
    assert saved > 0.15 * 16 * len(values)


async def test_a_failing_trunk_is_forked_before_one_that_succeeded() -> None:
    for seed in range(12):
        tree = await _grow(ToyActor(skill=0.75), seed=seed)
        returns = {path: _value(tree.episodes[path]) for path in ("t0", "t1", "t2")}
        forked = next(iter(tree.forks.values())).episode_path
        assert returns[forked] == min(returns.values())


@pytest.mark.parametrize("slots", [1, 3, 64])
async def test_the_tree_is_the_same_whatever_the_order_in_which_plays_end(slots: int) -> None:
    calm = await _grow(ToyActor(skill=0.6))
    hurried = await _grow(ToyActor(skill=0.6, wait_s=0.002), slots=slots)
    assert _without_time(hurried) == _without_time(calm)
    assert hurried.forks == calm.forks
    assert list(hurried.episodes) == sorted(calm.episodes, key=path_order)


async def test_the_values_of_a_known_world_are_found() -> None:
    tree = await _grow(ToyActor(skill=0.6), replace(EVERY, rollouts=400, width=3))
    for value in action_values(tree, level=0.999):
        if value.kind != "write" or value.step == PRESSES:
            continue
        spoiled = any(_is_wrong(tree.episodes[value.episode_path].steps[i].action) for i in range(value.step))
        right = not _is_wrong(value.action) and not spoiled
        expected = 0.6 ** (PRESSES - 1 - value.step) if right else 0.0
        assert value.lower <= expected <= value.upper


async def test_an_actor_that_always_says_the_same_gives_forks_of_one_action() -> None:
    tree = await _grow(ToyActor(skill=1.0))
    assert {len(fork.actions) for fork in tree.forks.values()} == {1}
    assert {fork.draws for fork in tree.forks.values()} == {EVERY.max_draws}


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent(ToyActor):
    """Its endpoint gives no answer to these seeds."""

    to: frozenset[int]

    async def act(self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: object = ()) -> Draft:
        if seed in self.to:
            raise RolloutError("no answer", kind=FailureKind.INFRASTRUCTURE)
        return await ToyActor.act(self, conversation, briefing, seed=seed)


@pytest.mark.parametrize("seed", range(6))
async def test_a_fork_that_gives_no_more_draws_goes_on_with_those_it_has(seed: int) -> None:
    """A step that sampling left with something to do would say `tree_budget`."""
    settings = replace(EVERY, trunks=1, rollouts=24)
    asking = toy_player(ToyActor(), seed=seed)
    redraws = {asking.seed(f"t0.s{step}", step, "draw", n) for step in range(PRESSES + 1) for n in range(6, 18)}
    player = toy_player(Silent(skill=0.6, to=frozenset(redraws)), seed=seed)
    policy = fork_policy("adaptive", settings)
    tree = await explore(toy_item(seed=seed), player, policy=policy, meter=Meter(), slots=Slots(8))
    assert {fork.draws for fork in tree.forks.values()} == {settings.max_draws}
    assert "tree_budget" not in tree.stop_reasons.values()


async def test_siblings_of_a_rollout_meet_the_same_user() -> None:
    seen: list[tuple[bool, int]] = []
    player = toy_player(ToyActor(skill=0.6))

    @dataclass
    class Listening:
        async def act(self, conversation: Conversation, briefing: object, *, seed: int, feedback: object = ()) -> Draft:
            seen.append((bool(conversation), seed))
            return Draft(text="###STOP###" if conversation else "Hello.")

    player.cast = replace(player.cast, user=Listening(), critic=NoCritic())
    policy = fork_policy("every_step", replace(EVERY, trunks=1, rollouts=2))
    tree = await explore(toy_item(), player, policy=policy, meter=Meter(), slots=Slots(1))
    last_answers = [seed for spoken, seed in seen if spoken]
    branches = [place for path in tree.episodes if (place := branch_place(path))]
    assert len(last_answers) == len(branches) + 1
    assert len(set(last_answers)) == len({(place.fork_path, place.rollout) for place in branches}) + 1
    assert len(set(last_answers)) < len(last_answers)


async def test_the_spend_of_a_tree_is_every_call_that_was_made() -> None:
    meter = Meter()
    player = toy_player(ToyActor(skill=0.6))
    player._meter = meter
    tree = await explore(toy_item(), player, policy=fork_policy("every_step", EVERY), meter=meter, slots=Slots(4))
    assert tree.spend == meter.progress().spend
    assert tree.spend.actor_calls > len(tree.episodes)


async def test_a_fatal_failure_ends_the_tree_at_once_as_itself() -> None:
    class Locked(ToyActor):
        async def act(self, *args: object, **kwargs: object) -> Draft:
            raise RolloutError("OPENAI_API_KEY was refused", kind=FailureKind.REJECTED, fatal=True)

    with pytest.raises(RolloutError, match="OPENAI_API_KEY"):
        await _grow(Locked())


async def test_a_stopping_worker_hands_back_a_valid_smaller_tree() -> None:
    class Forty(Allowance):
        started = 0

        async def start(self) -> None:
            self.started += 1
            if self.started > 40:
                self.stop()
            await super().start()

    player = toy_player(ToyActor(skill=0.6))
    player.ledger = Ledger(allowance=Forty())
    policy = fork_policy("every_step", EVERY)
    tree = await explore(toy_item(), player, policy=policy, meter=Meter(), slots=Slots(4))
    assert tree.early_stop
    assert 3 <= len(tree.episodes) < 30
    action_values(tree, level=0.8)


async def test_a_tree_that_was_finished_anyway_is_not_called_short() -> None:
    tree = await _grow(ToyActor(skill=0.6))
    assert not tree.early_stop


async def test_a_policy_of_ones_own_needs_no_more_than_requests() -> None:
    class FirstStepOnly:
        def requests(self, view: TreeView) -> tuple[Request, ...]:
            first = fork_policy("every_step", replace(EVERY, trunks=1)).requests(view)
            return tuple(r for r in first if not isinstance(r, PlayBranch) or r.fork_path == "t0.s0")

    tree = await explore(
        toy_item(), toy_player(ToyActor(skill=0.5)), policy=FirstStepOnly(), meter=Meter(), slots=Slots(4)
    )
    assert all(path == "t0" or path.startswith("t0.s0.") for path in tree.episodes)


def _value(episode: Episode) -> float:
    assert isinstance(episode.outcome, Finished)
    assert episode.outcome.reward is not None
    return episode.outcome.reward.value


def _is_wrong(draft: Draft) -> bool:
    return draft.tool_calls != press("right").tool_calls
