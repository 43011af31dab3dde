"""Simulated trees: whatever the chances, a policy gets what it would get of a real tree, and its caps hold."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.branching import FORK_POLICIES, BranchingSettings, fork_policy
from rollouts.episode import StepKind
from rollouts.forecasting.profiles import CallRates, Chances, Script, TaskProfile
from rollouts.forecasting.sample import sample
from rollouts.forecasting.simulated_tree import simulated
from rollouts.forecasting.tally import Growth, TreeTally, mean_tally
from rollouts.fork_views import ForkPolicy, OpenFork, PlayBranch, PlayTrunk, Request, TreeView
from rollouts.policies.critiqued import Critiqued

KINDS: tuple[StepKind, ...] = ("message", "read", "write", "transfer", "other")
ONE_EACH = CallRates(per_turn={"act": 1, "draw": 1, "answer": 1, "open": 1, "question": 1, "rule": 1})
SETTINGS = BranchingSettings(trunks=3, width=3, rollouts=4, max_draws=6, forked_trunks=1, delta=0.2)

shares = st.floats(min_value=0.0, max_value=1.0)
scripts = st.builds(
    Script, kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=9).map(tuple), solved=st.booleans()
)
profiles = st.builds(TaskProfile, scripts=st.lists(scripts, min_size=1, max_size=4).map(tuple))
chances = st.builds(
    Chances, same_draft=st.fixed_dictionaries(dict.fromkeys(KINDS, shares)), same_answer=shares, objection=shares
)


def flat(same: float, *, answer: float = 0.0, objection: float = 0.0) -> Chances:
    return Chances(same_draft=dict.fromkeys(KINDS, same), same_answer=answer, objection=objection)


def task(*kinds: StepKind, solved: bool = False) -> TaskProfile:
    return TaskProfile(scripts=(Script(kinds=kinds, solved=solved),))


def grow(policy: ForkPolicy, profile: TaskProfile, world: Chances, *, seed: int = 0, most: int = 5_000) -> TreeTally:
    return simulated(policy, profile, chances=world, rates=ONE_EACH, chance=random.Random(seed), most_plays=most)


@settings(max_examples=40)
@given(st.sampled_from(sorted(FORK_POLICIES)), profiles, chances, st.integers(0, 99))
def test_every_registered_policy_ends_within_its_caps(
    name: str, profile: TaskProfile, world: Chances, seed: int
) -> None:
    tree = grow(fork_policy(name, SETTINGS), profile, world, seed=seed)
    longest = max(len(script.kinds) for script in profile.scripts)
    assert tree.trunks == 3
    assert not tree.cut_short
    assert tree.forks <= longest
    assert tree.branches <= tree.forks * 3 * SETTINGS.max_draws * SETTINGS.rollouts
    assert tree == grow(fork_policy(name, SETTINGS), profile, world, seed=seed)


def test_without_forks_a_tree_is_its_trunks() -> None:
    tree = grow(fork_policy("none", SETTINGS), task("message", "read", "message"), flat(0.5))
    assert (tree.trunks, tree.branches, tree.forks, tree.fork_turns, tree.branch_turns) == (3, 0, 0, {}, {})
    assert {turn: taken.num for turn, taken in tree.turns.items()} == {
        "open": 3,
        "act": 9,
        "review": 9,
        "answer": 6,
        "rule": 3,
    }
    assert tree.turns["answer"].depth == 3 * (0 + 2)
    assert tree.longest_chain == 1 + 3 + 2 + 1


def test_where_no_draft_comes_twice_every_step_is_plain_arithmetic() -> None:
    tree = grow(fork_policy("every_step", SETTINGS), task("read", "message", "write"), flat(0.0))
    assert (tree.forks, tree.branches) == (3, 3 * 3 * 4)
    assert tree.fork_turns["draw"].num == 3 * 2
    assert tree.branch_turns["act"].num == 12 * (2 + 1 + 0)


def test_where_the_actor_never_does_otherwise_a_read_needs_no_branch() -> None:
    tree = grow(fork_policy("every_step", SETTINGS), task("read", "read", "message"), flat(1.0, answer=1.0))
    assert tree.fork_turns["draw"].num == 3 * 5
    assert tree.branches == 4
    # of the message alone: a read's value is that of the next state


@given(shares, st.integers(0, 10**6))
def test_a_branch_budget_is_kept(same: float, seed: int) -> None:
    limited = BranchingSettings(
        trunks=2, width=3, rollouts=8, max_draws=6, forked_trunks=2, delta=0.2, branches_per_tree=5
    )
    tree = grow(fork_policy("every_step", limited), task("message", "write", "message"), flat(same), seed=seed)
    assert tree.branches <= 5


@pytest.mark.parametrize("same", [0.1, 0.5, 0.9])
def test_two_drafts_agree_as_often_as_they_are_said_to(same: float) -> None:
    pair = BranchingSettings(trunks=1, width=2, rollouts=1, max_draws=2, forked_trunks=1, delta=0.2, min_rollouts=1)
    trees = [grow(fork_policy("every_step", pair), task("message"), flat(same), seed=seed) for seed in range(2_000)]
    differing = sum(tree.branches == 2 for tree in trees) / len(trees)
    assert differing == pytest.approx(1 - same, abs=0.04)


def test_a_critique_is_asked_for_and_delivered_as_often_as_the_critic_objects() -> None:
    policy = Critiqued(policy=fork_policy("every_step", SETTINGS), rollouts=2)
    never = grow(policy, task("message", "write"), flat(0.0, objection=0.0))
    always = grow(policy, task("message", "write"), flat(0.0, objection=1.0))
    assert never.fork_turns["question"].num == always.fork_turns["question"].num == 2 * 3
    assert always.branches == never.branches + 2 * 3 * 2
    assert always.branch_turns["draw"].num == 2 * 3 * 2


@dataclass
class MyPolicy:
    """A user's own: forks the last step of the first trunk and asks for as many branches as it is told."""

    branches: int
    seen: list[int] = field(default_factory=list)

    def requests(self, view: TreeView) -> tuple[Request, ...]:
        if not view.trunks:
            return (PlayTrunk(index=0),)
        last = len(view.trunks[0].steps) - 1
        self.seen.append(view.calls)
        fork = OpenFork(episode_path="t0", step=last, width=1, max_draws=1)
        if not view.trunks[0].steps[last].actions:
            return (fork,)
        return tuple(PlayBranch(fork_path=f"t0.s{last}", action=0, rollout=index) for index in range(self.branches))


def test_a_policy_of_somebody_elses_is_asked_like_any_other() -> None:
    policy = MyPolicy(branches=7)
    tree = grow(policy, task("read", "message"), flat(0.5))
    assert (tree.trunks, tree.forks, tree.branches) == (1, 1, 7)
    assert policy.seen == [5, 5, 5 + 7 * 2]
    # a trunk's opening, two turns, answer and ruling; a branch's answer and ruling


def test_a_policy_that_asks_for_more_than_is_simulated_is_cut_short() -> None:
    tree = grow(MyPolicy(branches=10_000), task("message"), flat(0.5), most=100)
    assert tree.cut_short
    assert tree.trunks + tree.branches == 100


def test_growth_multiplies_what_lies_below_the_trunks_and_makes_no_chain_longer() -> None:
    tree = grow(fork_policy("every_step", SETTINGS), task("message", "write"), flat(0.0))
    larger = tree.scaled(Growth(branches=2.0, branch_turns=3.0, forks=1.5, fork_turns=0.5))
    assert (larger.trunks, larger.branches, larger.forks) == (3, 2 * tree.branches, 1.5 * tree.forks)
    assert larger.trunk_turns == tree.trunk_turns
    assert larger.branch_turns["act"].num == 3 * tree.branch_turns["act"].num
    assert larger.fork_turns["draw"].num == 0.5 * tree.fork_turns["draw"].num
    assert larger.longest_chain == tree.longest_chain
    assert mean_tally([tree, tree]) == tree


def test_the_spread_of_a_task_leaves_out_how_much_tasks_differ() -> None:
    tasks = [task("message"), task(*KINDS[1:2] * 30)]
    found = sample(fork_policy("none", SETTINGS), tasks, chances=flat(0.5), rates=ONE_EACH)
    assert found.spread > 0.3
    assert found.spread_of_a_task == 0.0
    assert found.longest_chain(1_000) == 1 + 30 + 1
