"""Fork policies on simulated trees: what they may ask for, when they end, and what they find."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollouts.branching import FORK_POLICIES, BranchingSettings, fork_policy, stop_reasons, triage
from rollouts.confidence_sequence import confidence_sequence
from rollouts.episode import StepKind
from rollouts.errors import UsageError
from rollouts.fork_views import ActionView, EpisodeView, ForkPolicy, PlayBranch, Request, StepView, TreeView
from rollouts.policies.contrast import contrast
from rollouts.policies.sampling import next_offer
from rollouts.tree import step_path
from tests.simulated_tree import Option, SimulatedStep, SimulatedTree

SETTINGS = BranchingSettings(trunks=3, width=3, rollouts=6, max_draws=6, forked_trunks=2, delta=0.2)
POLICIES = sorted(FORK_POLICIES)
FORKING = [name for name in POLICIES if name != "none"]
KINDS: st.SearchStrategy[StepKind] = st.sampled_from(["message", "read", "write", "transfer", "other"])
CERTAIN = SimulatedStep(kind="write", options=(Option(chance=1.0, value=0.5),))
BAD = SimulatedStep(kind="write", options=(Option(chance=0.4, value=0.05), Option(chance=0.6, value=0.9)))
GOOD = SimulatedStep(kind="write", options=(Option(chance=0.7, value=0.9), Option(chance=0.3, value=0.05)))
FINE = SimulatedStep(kind="write", options=(Option(chance=1.0, value=0.9),))
LOST = SimulatedStep(kind="message", options=(Option(chance=1.0, value=0.05),))


@st.composite
def simulated_steps(draw: st.DrawFn) -> SimulatedStep:
    weights = draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    values = draw(st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]), min_size=4, max_size=4))
    options = (Option(chance=w / sum(weights), value=v) for w, v in zip(weights, values, strict=False))
    return SimulatedStep(kind=draw(KINDS), options=tuple(options))


@st.composite
def simulated_trees(draw: st.DrawFn) -> SimulatedTree:
    """Some trunks without a return, some without a step, some rollouts that fail."""
    steps = draw(st.lists(st.lists(simulated_steps(), max_size=7), min_size=3, max_size=3))
    returns = draw(st.lists(st.sampled_from([0.0, 0.5, 1.0, None]), min_size=3, max_size=3))
    return SimulatedTree(
        steps, returns=returns, seed=draw(st.integers(0, 999)), silent=draw(st.sampled_from([0, 0, 2, 99]))
    )


def one_trunk(*steps: SimulatedStep, seed: int = 0) -> SimulatedTree:
    return SimulatedTree([steps], returns=[0.0], seed=seed)


def alone(name: str, **changes: float) -> ForkPolicy:
    return fork_policy(name, replace(SETTINGS, trunks=1, forked_trunks=1, rollouts=24, **changes))  # type: ignore[arg-type]


def seeds(count: int) -> Iterator[int]:
    yield from range(count)


# -- what may be asked for, and that it ends --------------------------------------------------------------------------


@settings(max_examples=40)
@given(simulated_trees(), st.sampled_from(POLICIES))
def test_every_policy_ends_and_asks_only_for_what_can_be_played(tree: SimulatedTree, name: str) -> None:
    """The simulated tree refuses forks of steps that do not exist, branches of unknown actions, and rollouts out of turn."""
    tree.finish(fork_policy(name, SETTINGS))
    view = tree.view()
    assert len(view.trunks) == SETTINGS.trunks
    for trunk in view.trunks:
        for step in trunk.steps:
            assert trunk.returned is not None or not step.actions
            assert all(action.launched <= SETTINGS.rollouts for action in step.actions)


@settings(max_examples=40)
@given(simulated_trees(), st.sampled_from(POLICIES), st.randoms(use_true_random=False))
def test_any_interleaving_leads_to_the_same_tree(tree: SimulatedTree, name: str, chance: random.Random) -> None:
    twin = SimulatedTree(tree._steps, returns=tree._returns, seed=tree._seed, silent=tree._silent)
    calm, hurried = fork_policy(name, SETTINGS), fork_policy(name, SETTINGS)
    while requests := calm.requests(tree.view()):
        assert sorted(map(repr, hurried.requests(twin.view()))) == sorted(map(repr, requests))
        tree.serve(requests)
        by_action: dict[str, list[Request]] = {}
        for request in requests:
            place = (request.fork_path, request.action) if isinstance(request, PlayBranch) else request
            by_action.setdefault(repr(place), []).append(request)
        groups = list(by_action.values())
        chance.shuffle(groups)
        twin.serve(request for group in groups for request in group)
    assert twin.view() == tree.view()
    assert not hurried.requests(twin.view())


@settings(max_examples=40)
@given(simulated_trees(), st.sampled_from(POLICIES))
def test_a_policy_knows_nothing_but_the_view(tree: SimulatedTree, name: str) -> None:
    """Another policy object, and an equal view made of other objects, give the same requests."""
    policy = fork_policy(name, SETTINGS)
    while requests := policy.requests(tree.view()):
        assert fork_policy(name, SETTINGS).requests(_copied(tree.view())) == requests
        tree.serve(requests)


def _copied(view: TreeView) -> TreeView:
    def step(old: StepView) -> StepView:
        return replace(old, actions=tuple(replace(action) for action in old.actions))

    return replace(view, trunks=tuple(replace(t, steps=tuple(map(step, t.steps))) for t in view.trunks))


@settings(max_examples=40)
@given(simulated_trees(), st.sampled_from(FORKING), st.integers(0, 40), st.integers(0, 150))
def test_budgets_are_never_exceeded(tree: SimulatedTree, name: str, branches: int, more_calls: int) -> None:
    """Here every play costs what it is foreseen to; the trunks, which come first, are never refused."""
    calls = SETTINGS.trunks + more_calls
    tree.finish(fork_policy(name, replace(SETTINGS, branches_per_tree=branches + 1, calls_per_tree=calls)))
    trunks = sum(trunk.calls for trunk in tree.view().trunks)
    assert tree.branches <= branches + 1
    assert tree.calls <= max(calls, trunks)


@settings(max_examples=40)
@given(simulated_trees(), st.sampled_from(POLICIES), st.integers(0, 60))
def test_every_action_of_a_finished_tree_has_a_reason_to_have_stopped(
    tree: SimulatedTree, name: str, branches: int
) -> None:
    policy = fork_policy(name, replace(SETTINGS, branches_per_tree=branches))
    tree.finish(policy)
    reasons, view = stop_reasons(policy, tree.view()), tree.view()
    actions = {
        (step_path(trunk.path, index), number)
        for trunk in view.trunks
        for index, step in enumerate(trunk.steps)
        for number in range(len(step.actions))
    }
    assert set(reasons) == actions
    if not branches:
        assert "tree_budget" not in reasons.values()


@pytest.mark.parametrize("name", FORKING)
def test_a_tree_that_its_budget_stopped_says_so(name: str) -> None:
    policy = alone(name, branches_per_tree=3)
    tree = one_trunk(FINE, GOOD, BAD, LOST, LOST)
    tree.finish(policy)
    assert tree.branches <= 3
    assert "tree_budget" in stop_reasons(policy, tree.view()).values()


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("returns", "kind"), [((0.0, 0.0), "failed"), ((1.0, 1.0), "solved"), ((1.0, 0.0), "mixed")])
def test_the_class_of_the_task_scales_the_budget(returns: tuple[float, ...], kind: str, share: float) -> None:
    tree = SimulatedTree([[FINE, BAD, LOST]] * 2, returns=returns, seed=0)
    made = replace(SETTINGS, trunks=2, rollouts=12, branches_per_tree=20, **{f"budget_{kind}": share})  # type: ignore[arg-type]
    tree.finish(fork_policy("every_step", made))
    assert triage(tree.view()) == kind
    assert tree.branches == 20 * share


def test_a_task_without_any_return_has_no_class() -> None:
    trunk = EpisodeView(path="t0", returned=None, steps=())
    assert triage(TreeView(trunks=(trunk,))) == "unknown"


# -- an actor that never does anything else ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bisect", "adaptive"])
def test_an_actor_that_always_gives_the_same_draft_costs_no_rollout(name: str) -> None:
    policy, tree = alone(name), one_trunk(*[CERTAIN] * 8)
    tree.finish(policy)
    assert tree.branches == 0
    assert all(step.draws == SETTINGS.max_draws for step in tree.view().trunks[0].steps)
    assert set(stop_reasons(policy, tree.view()).values()) <= {"decided", "not_needed"}


def test_every_step_plays_nothing_where_the_value_is_that_of_the_next_step() -> None:
    action = ActionView(multiplicity=6, launched=0, n=0, successes=0.0, failures=0)
    steps = (StepView(kind="read", actions=(action,), draws=6, settled_by_next=True),)
    view = TreeView(trunks=(EpisodeView(path="t0", returned=0.0, steps=steps),))
    policy = alone("every_step")
    assert policy.requests(view) == ()
    assert stop_reasons(policy, view) == {("t0.s0", 0): "fixed_count"}


def test_free_evidence_is_not_paid_for_again() -> None:
    action = ActionView(multiplicity=6, launched=1, n=1, successes=1.0, failures=0, free_n=4, free_successes=2.0)
    view = TreeView(
        trunks=(EpisodeView(path="t0", returned=0.0, steps=(StepView(kind="write", actions=(action,), draws=6),)),)
    )
    policy = fork_policy("every_step", replace(SETTINGS, trunks=1, rollouts=6))
    assert len(policy.requests(view)) == 1


# -- what they find ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bisect", "adaptive"])
def test_the_step_that_lost_the_value_is_found_for_less_than_sampling_every_step(name: str) -> None:
    found, calls, plain = 0, 0, 0
    for seed in seeds(20):
        steps = (FINE, GOOD, FINE, FINE, FINE, FINE, BAD, LOST, LOST, LOST)
        tree, reference = one_trunk(*steps, seed=seed), one_trunk(*steps, seed=seed)
        tree.finish(alone(name))
        reference.finish(alone("every_step"))
        found += _losing(tree) == [6]
        calls, plain = calls + tree.calls, plain + reference.calls
    assert found >= 18
    assert calls < plain / 3


def _losing(tree: SimulatedTree) -> list[int]:
    steps = tree.view().trunks[0].steps
    return [index for index, step in enumerate(steps) if step.actions and contrast(step).loses(0.2)]


def test_the_first_lost_prefix_is_found_where_values_are_monotone() -> None:
    lost, bad = (
        replace(step, options=tuple(replace(o, value=0.0 if o.value < 0.1 else o.value) for o in step.options))
        for step in (LOST, BAD)
    )
    found = 0
    for seed in seeds(20):
        tree = one_trunk(FINE, GOOD, FINE, FINE, bad, lost, lost, lost, seed=seed)
        policy = alone("first_error")
        tree.finish(policy)
        found += _losing(tree) == [4]
        assert set(stop_reasons(policy, tree.view()).values()) == {"fixed_count"}
    assert found >= 18


def test_bisection_finds_a_loss_behind_a_value_that_came_back() -> None:
    """V falls at step 2, recovers at step 5 and falls again at step 8: not monotone, and the last fall is the one that counts."""
    steps = [FINE, FINE, BAD, LOST, LOST, FINE, FINE, FINE, BAD, LOST, LOST]
    found = 0
    for seed in seeds(20):
        tree = one_trunk(*steps, seed=seed)
        tree.finish(alone("bisect"))
        found += 8 in _losing(tree)
    assert found >= 16


def test_bisection_does_not_blame_an_action_for_the_worlds_bad_luck() -> None:
    """The value falls between steps 3 and 4 whatever the actor does."""
    before = SimulatedStep(kind="message", options=(Option(chance=0.6, value=0.9), Option(chance=0.4, value=0.9)))
    after = SimulatedStep(kind="message", options=(Option(chance=0.6, value=0.1), Option(chance=0.4, value=0.1)))
    blamed = 0
    for seed in seeds(20):
        tree = one_trunk(*[before] * 4, *[after] * 4, seed=seed)
        tree.finish(alone("bisect"))
        blamed += bool(_losing(tree))
    assert blamed <= 2


def test_the_adaptive_policy_spends_its_rollouts_where_something_can_be_lost() -> None:
    tree = one_trunk(*[FINE] * 5, BAD, *[LOST] * 5)
    tree.finish(alone("adaptive"))
    launched = [sum(action.launched for action in step.actions) for step in tree.view().trunks[0].steps]
    assert launched[5] == sum(launched) > 0


def test_a_read_that_seems_to_lose_something_is_looked_at_like_any_other_step() -> None:
    def seeming(kind: StepKind, successes: float) -> StepView:
        lost = ActionView(multiplicity=3, launched=4, n=4, successes=0.0, failures=0)
        other = ActionView(multiplicity=3, launched=4, n=4, successes=successes, failures=0)
        return StepView(kind=kind, actions=(lost, other), draws=6, openings=1)

    def asked(step: StepView) -> tuple[Request, ...]:
        return alone("adaptive").requests(
            TreeView(trunks=(EpisodeView(path="t0", returned=0.0, steps=(step,), calls=12),))
        )

    assert asked(seeming("read", 2.0)) == asked(seeming("write", 2.0)) != ()
    assert asked(seeming("read", 1.0)) == () != asked(seeming("write", 1.0))


def test_a_suspicious_critic_draws_rollouts_and_changes_no_conclusion() -> None:
    counts = [
        ActionView(multiplicity=4, launched=2, n=2, successes=1.0, failures=0),
        ActionView(multiplicity=2, launched=2, n=2, successes=1.0, failures=0),
    ]
    plain = StepView(kind="write", actions=tuple(counts), draws=6)
    accused = replace(plain, actions=(replace(counts[0], score=0.05), counts[1]))
    assert contrast(plain) == contrast(accused)
    view = TreeView(
        trunks=(EpisodeView(path="t0", returned=0.0, steps=(*[plain] * 9, accused, *[plain] * 9), calls=19),), calls=99
    )
    policy = alone("adaptive")
    assert "t0.s9" in {request.fork_path for request in policy.requests(view) if hasattr(request, "fork_path")}
    assert stop_reasons(policy, view)["t0.s9", 0] == stop_reasons(policy, view)["t0.s8", 0]


@settings(max_examples=10)
@given(st.integers(0, 999), st.sampled_from([0.05, 0.3, 0.5, 0.8, 0.95]), st.sampled_from([0.05, 0.3, 0.5, 0.8, 0.95]))
def test_stopping_early_does_not_carry_the_mean_out_of_its_interval(seed: int, own: float, other: float) -> None:
    """Of all actions whose sampling the adaptive policy ended, the sequence holds the true value of nearly all."""
    held = total = 0
    step = SimulatedStep(kind="write", options=(Option(chance=0.5, value=own), Option(chance=0.5, value=other)))
    for number in seeds(20):
        tree = one_trunk(step, step, step, seed=seed * 1000 + number)
        tree.finish(alone("adaptive"))
        for index, view in enumerate(tree.view().trunks[0].steps):
            for number_, action in enumerate(view.actions):
                interval = confidence_sequence(action.successes, action.n, level=0.9)
                held += interval.lower <= tree.option(f"t0.s{index}", number_).value <= interval.upper
                total += 1
    assert held / total >= 0.85


def test_early_stopping_hardly_biases_the_mean() -> None:
    """A sequential mean is biased by less than half the interval's width, here by less than a tenth in any value."""
    for own, other in ((0.3, 0.7), (0.6, 0.6), (0.05, 0.9)):
        means = []
        step = SimulatedStep(kind="write", options=(Option(chance=0.5, value=own), Option(chance=0.5, value=other)))
        for seed in seeds(150):
            tree = one_trunk(step, seed=seed)
            tree.finish(alone("adaptive"))
            [view] = tree.view().trunks[0].steps
            if view.actions[0].n:
                means.append(view.actions[0].successes / view.actions[0].n)
        assert abs(sum(means) / len(means) - own) < 0.1


# -- bad settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"width": 0}, r"branching\.width needs at least 1; got 0"),
        ({"trunks": 0}, r"branching\.trunks needs at least 1"),
        ({"rollouts": 0}, r"branching\.rollouts needs at least 1"),
        ({"delta": 0.0}, r"branching\.delta needs a loss of value strictly between 0 and 1; got 0\.0"),
        ({"delta": 1.0}, r"branching\.delta"),
        ({"delta": float("nan")}, r"branching\.delta"),
        ({"confidence": 0.5}, r"branching\.confidence"),
        ({"calls_per_label": 0.0}, r"branching\.calls_per_label"),
        ({"calls_per_tree": 2}, r"branching\.calls_per_tree needs .* each of the 3 trunks"),
        ({"branches_per_tree": -1}, r"branching\.branches_per_tree"),
        ({"budget_failed": -0.5}, r"branching\.budget_failed"),
    ],
)
def test_settings_that_make_no_sense_are_refused(changes: dict[str, float], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["bisect", "adaptive"])
def test_a_cap_under_the_minimum_is_refused_by_the_policies_that_have_one(name: str) -> None:
    made = replace(SETTINGS, rollouts=2, min_rollouts=3)
    fork_policy("every_step", made)
    with pytest.raises(UsageError, match=r"min_rollouts needs at most branching\.rollouts \(2\)"):
        fork_policy(name, made)


def test_an_unknown_policy_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="adaptive, bisect, every_step, first_error, none; got 'best'"):
        fork_policy("best", SETTINGS)


def test_a_capped_fork_says_so() -> None:
    counts = (
        ActionView(multiplicity=4, launched=24, n=24, successes=12.0, failures=0),
        ActionView(multiplicity=14, launched=24, n=24, successes=18.0, failures=0),
    )
    step = StepView(kind="write", actions=counts, draws=18, openings=2)
    rule = replace(SETTINGS, rollouts=24).rule
    assert next_offer(step, rule, contrasted=contrast(step), calls=1) == "cap"
