"""The critic at forks: what it is asked, and plays in which its critique is delivered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import pytest

from labeling.conclude import conclude
from labeling.labels import LabelRule
from rollouts.branching import fork_policy
from rollouts.budget import Allowance
from rollouts.episode import Approve, Conversation, Draft, Revise, Usage
from rollouts.errors import FailureKind, RolloutError, UsageError
from rollouts.evidence import PlayTable
from rollouts.explore import explore
from rollouts.fork_views import ActionView, AskCritic, EpisodeView, Request, StepView, TreeView
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player
from rollouts.policies.critiqued import Critiqued
from rollouts.policies.plain import EveryStep
from rollouts.protocols import Critic, Judgement, NoCritic, Question
from rollouts.slots import Slots
from rollouts.tree import BranchPlace, Tree, branch_place
from tests.toy import BRANCHING, PRESSES, ToyActor, ToyState, ToyUser, press, toy_item, toy_player

PLAIN = EveryStep(trunks=3, width=3, rollouts=2, max_draws=6, forked_trunks=1)
POLICY = Critiqued(policy=PLAIN, rollouts=4)
FEEDBACK = "Press the right one."


@dataclass
class Pointing:
    """Objects to every press but the right one."""

    asked: list[Question] = field(default_factory=list)
    wait_s: float = 0.0

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        self.asked += questions
        await asyncio.sleep(self.wait_s)
        return [self._judgement(question.draft) for question in questions]

    def _judgement(self, draft: Draft) -> Judgement:
        good = not draft.tool_calls or draft.tool_calls == press("right").tool_calls
        usage = Usage(prompt_tokens=9, cost_usd=0.1)
        return Judgement(verdict=Approve() if good else Revise(feedback=FEEDBACK), usage=usage, score=0.5)


@dataclass(frozen=True)
class Broken:
    error: RolloutError

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        raise self.error


def _player(critic: Critic, *, actor: ToyActor | None = None, seed: int = 0) -> Player[ToyState]:
    player = toy_player(actor or ToyActor(skill=0.6), seed=seed)
    player.cast = replace(player.cast, critic=critic)
    return player


async def _grow(player: Player[ToyState], *, slots: int = 8, meter: Meter | None = None, seed: int = 0) -> Tree:
    if meter:
        player._meter = meter
    item = toy_item(seed=seed)
    return await explore(item, player, policy=POLICY, meter=meter or Meter(), slots=Slots(slots))


def _critiques(tree: Tree) -> list[tuple[str, int]]:
    return [
        (fork.path, action.index)
        for fork in tree.forks.values()
        for action in fork.actions
        if action.review and isinstance(action.review.verdict, Revise)
    ]


async def test_every_tried_action_is_judged_once_and_every_critique_has_two_arms() -> None:
    critic = Pointing()
    tree = await _grow(_player(critic))
    actions = [action for fork in tree.forks.values() for action in fork.actions]
    assert [action.review.draft for action in actions if action.review] == [action.draft for action in actions]
    assert len(critic.asked) == len(actions)
    assert _critiques(tree)
    plays = PlayTable(tree.episodes.values())
    for path, index in _critiques(tree):
        fork = tree.forks[path]
        assert plays.delivered(path, index).launched == 4
        assert plays.evidence(fork, fork.actions[index]).total.n >= 4
    delivered = {(place.fork_path, place.action) for place in map(branch_place, tree.episodes) if _is_revised(place)}
    assert sorted(delivered) == sorted(_critiques(tree))


async def test_the_actor_is_told_the_feedback_once_and_its_revision_is_recorded_with_the_draft() -> None:
    told: list[tuple[str, ...]] = []

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Listening(ToyActor):
        async def act(
            self, conversation: Conversation, briefing: object, *, seed: int, feedback: Sequence[str] = ()
        ) -> Draft:
            told.append(tuple(feedback))
            return await ToyActor.act(self, conversation, briefing, seed=seed, feedback=feedback)  # type: ignore[arg-type]

    tree = await _grow(_player(Pointing(), actor=Listening(skill=0.6)))
    revised = [episode for path, episode in tree.episodes.items() if _is_revised(branch_place(path))]
    assert told.count((FEEDBACK,)) == len(revised) == len(told) - told.count(())
    for episode in revised:
        place = branch_place(episode.path)
        assert place is not None
        first, *later = episode.steps
        rejected = tree.forks[place.fork_path].actions[place.action].draft
        assert [(review.draft, review.verdict) for review in first.reviews] == [(rejected, Revise(feedback=FEEDBACK))]
        assert first.action.tool_calls == press("right").tool_calls != rejected.tool_calls
        assert (first.index, first.forced, episode.spend.critic_calls) == (place.step, True, 0)
        assert not any(step.forced or step.reviews for step in later)


async def test_both_arms_of_a_rollout_meet_the_same_user() -> None:
    heard: dict[int, int] = {}

    class Listening(ToyUser):
        async def act(self, conversation: Conversation, briefing: object, *, seed: int, feedback: object = ()) -> Draft:
            heard[seed] = heard.get(seed, 0) + bool(conversation)
            return await ToyUser.act(self, conversation, briefing, seed=seed)  # type: ignore[arg-type]

    player = _player(Pointing())
    player.cast = replace(player.cast, user=Listening())
    tree = await _grow(player)
    plays = [place for path in tree.episodes if (place := branch_place(path))]
    met = [(place.fork_path, place.rollout) for place in plays]
    assert sum(heard.values()) == len(plays) + 3
    assert len([seed for seed, times in heard.items() if times]) == len(set(met)) + 3
    pairs = {(place.fork_path, place.rollout) for place in plays if _is_revised(place)}
    assert pairs & {(place.fork_path, place.rollout) for place in plays if not _is_revised(place)}


@pytest.mark.parametrize("slots", [1, 3, 64])
async def test_the_tree_is_the_same_whatever_the_order_in_which_answers_come(slots: int) -> None:
    calm = await _grow(_player(Pointing()))
    hurried = await _grow(_player(Pointing(wait_s=0.001), actor=ToyActor(skill=0.6, wait_s=0.002)), slots=slots)
    assert [replace(made, duration_s=0.0) for made in hurried.episodes.values()] == [
        replace(made, duration_s=0.0) for made in calm.episodes.values()
    ]
    assert hurried.forks == calm.forks


async def test_the_critics_calls_are_counted_at_the_fork() -> None:
    meter, critic = Meter(), Pointing()
    tree = await _grow(_player(critic), meter=meter)
    assert tree.spend.critic_calls == len(critic.asked) == sum(f.spend.critic_calls for f in tree.forks.values())
    assert tree.spend.cost_usd == pytest.approx(0.1 * len(critic.asked))
    assert replace(tree.spend, cost_usd=0.0) == replace(meter.progress().spend, cost_usd=0.0)


async def test_without_a_critic_nobody_is_asked_and_everything_counts_as_approved() -> None:
    tree = await _grow(_player(NoCritic()))
    assert tree.spend.critic_calls == 0
    assert {action.review.verdict for fork in tree.forks.values() for action in fork.actions if action.review} == {
        Approve()
    }
    assert not any(_is_revised(branch_place(path)) for path in tree.episodes)


async def test_a_critic_that_gives_no_answer_leaves_a_verdict_that_is_not_guessed() -> None:
    error = RolloutError("no answer", kind=FailureKind.INFRASTRUCTURE, usage=Usage(calls=2, prompt_tokens=7))
    tree = await _grow(_player(Broken(error)))
    reviews = [action.review for fork in tree.forks.values() for action in fork.actions]
    assert {review.verdict for review in reviews if review} == {None}
    assert tree.spend.critic_calls == 2 * len(reviews)
    assert not tree.early_stop


async def test_a_critic_that_will_never_answer_ends_the_tree_as_itself() -> None:
    with pytest.raises(RolloutError, match="wrong key"):
        await _grow(_player(Broken(RolloutError("wrong key", kind=FailureKind.REJECTED, fatal=True))))


def test_the_critic_is_asked_with_what_the_policy_inside_asks_for_and_first() -> None:
    step = StepView(kind="write", actions=(ActionView(multiplicity=3, launched=0, n=0, successes=0.0, failures=0),))
    view = TreeView(trunks=tuple(EpisodeView(path=f"t{i}", returned=0.0, steps=(step,)) for i in range(3)))
    asks = tuple(AskCritic(fork_path=f"t{index}.s0", action=0) for index in range(3))
    assert POLICY.requests(view) == (*asks, *PLAIN.requests(view))
    assert PLAIN.requests(view)


@pytest.mark.parametrize("calls", [40, 60, 90, 140])
async def test_what_the_critic_costs_is_in_the_trees_budget(calls: int) -> None:
    """No play goes on for longer than the longest trunk here, so a budget is kept to the call."""
    settings = replace(BRANCHING, trunks=3, rollouts=4, calls_per_tree=calls)
    policy = fork_policy("every_step", settings, uplift_rollouts=2)
    critic = Pointing()
    tree = await explore(toy_item(), _player(critic), policy=policy, meter=Meter(), slots=Slots(4))
    assert len(critic.asked) > 0
    assert tree.spend.calls <= calls


async def test_a_critic_that_is_switched_off_changes_nothing_but_cost() -> None:
    settings = replace(BRANCHING, trunks=3, rollouts=6)
    plain = fork_policy("adaptive", settings)
    asking = fork_policy("adaptive", settings, uplift_rollouts=0)
    trees = [
        await explore(toy_item(), _player(critic), policy=policy, meter=Meter(), slots=Slots(4))
        for critic, policy in ((NoCritic(), plain), (NoCritic(), asking), (Pointing(), asking))
    ]
    alone, silent, told = (conclude(tree, level=0.9, rule=RULE, uplift_level=0.9) for tree in trees)
    assert list(silent.values) == list(alone.values)
    assert [replace(label, consensus="none") for label in silent.labels] == list(alone.labels)
    assert list(trees[1].episodes) == list(trees[0].episodes)
    assert trees[1].spend == trees[0].spend
    assert trees[2].spend.critic_calls == sum(len(fork.actions) for fork in trees[2].forks.values())
    assert {value.fork_path for value in told.values} == {value.fork_path for value in alone.values}


async def test_a_policy_that_asks_again_and_again_is_served_once() -> None:
    class Insisting:
        def requests(self, view: TreeView) -> tuple[Request, ...]:
            requests = replace(PLAIN, trunks=1).requests(view)
            asks = (
                [AskCritic(fork_path="t0.s0", action=0)] * 2 if view.trunks and view.trunks[0].steps[0].actions else []
            )
            return (*requests, *asks, *requests)

    critic = Pointing()
    tree = await explore(toy_item(), _player(critic), policy=Insisting(), meter=Meter(), slots=Slots(4))
    assert len(critic.asked) == 1
    assert tree.forks["t0.s0"].actions[0].review is not None


async def test_a_tree_cut_short_among_its_critiques_is_valid_data() -> None:
    whole = await _grow(_player(Pointing()))
    seen = 0
    for limit in range(20, whole.spend.calls, 15):
        player = _player(Pointing())
        player.ledger = Ledger(allowance=_Counting(limit))
        tree = await _grow(player)
        assert tree.early_stop
        assert tree.stop_reasons == {}
        assert set(tree.episodes) <= set(whole.episodes)
        said = conclude(tree, level=0.9, rule=RULE, uplift_level=0.9)
        assert {value.stop_reason for value in said.values} <= {"budget", "settled_by_next"}
        seen += len(said.critiques)
    assert seen


class _Counting(Allowance):
    """Stops after so many calls."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._calls = calls

    async def start(self) -> None:
        self._calls -= 1
        if self._calls < 0:
            self.stop()
        await super().start()


RULE = LabelRule(delta=0.2, approve_level=0.8, revise_level=0.95)


async def test_a_critique_that_helps_is_found_to_help() -> None:
    policy = Critiqued(policy=PLAIN, rollouts=30)
    item, player = toy_item(), _player(Pointing(), actor=ToyActor(skill=0.8))
    tree = await explore(item, player, policy=policy, meter=Meter(), slots=Slots(64))
    said = conclude(tree, level=0.9, rule=RULE, uplift_level=0.95)
    spoiled = _spoiled_from(tree)
    worth = {(c.fork_path, c.action_index): c.worth for c in said.critiques if isinstance(c.verdict, Revise)}
    assert "helpful" in worth.values()
    for (path, _), found in worth.items():
        assert found == ("undecided" if tree.forks[path].step > spoiled else "helpful")
    assert {label.consensus for label in said.labels if label.label == "revise"} == {"agree"}


def _spoiled_from(tree: Tree) -> int:
    """Index of the forked trunk's first wrong press: after it nothing helps."""
    [path] = {fork.episode_path for fork in tree.forks.values()}
    right = press("right").tool_calls
    presses = (step for step in tree.episodes[path].steps if step.kind == "write")
    return next((step.index for step in presses if step.action.tool_calls != right), PRESSES)


def _is_revised(place: BranchPlace | None) -> TypeGuard[BranchPlace]:
    return place is not None and place.critique is not None


def test_a_negative_number_of_rollouts_is_refused() -> None:
    with pytest.raises(UsageError, match=r"uplift_rollouts must be 0 or more, got -1"):
        Critiqued(policy=PLAIN, rollouts=-1)


def test_the_reasons_are_those_of_the_policy_inside() -> None:
    step = StepView(kind="write", actions=(ActionView(multiplicity=3, launched=2, n=2, successes=1.0, failures=0),))
    view = TreeView(trunks=(EpisodeView(path="t0", returned=0.0, steps=(step,)),))
    assert POLICY.stop_reasons(view) == PLAIN.stop_reasons(view) == {("t0.s0", 0): "fixed_count"}
