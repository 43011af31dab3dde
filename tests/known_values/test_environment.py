"""The known-values world as an environment: the conformance suite, the user's side, chance, tasks and bad input."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.environments.known_values import (
    FAMILIES,
    KnownState,
    KnownValuesEnvironment,
    Parameters,
    Rules,
    open_environment,
    stand_ins,
)
from actors.environments.known_values.plan import plan_of
from actors.environments.registry import environment as registered
from rollouts.episode import Finished, JsonValue, Side, StopReason, Task, ToolCall
from rollouts.errors import DataError, UsageError
from rollouts.play import Place
from rollouts.supervision import Supervision
from tests.conformance.environment import EnvironmentSuite, Script
from tests.known_values.worlds import family, faultless, world
from tests.needs import REPOSITORY
from tests.scripted.plays import conversation, play, play_on, player, value

by_family = pytest.mark.parametrize("name", FAMILIES)
WRITES = Parameters(rules=FAMILIES["late_error"].rules, kinds=("write", "write", "write", "message"))


def call(name: str, **arguments: JsonValue) -> ToolCall:
    return ToolCall(call_id="1", name=name, arguments=arguments)


def starts_with(kinds: Sequence[str]) -> Task:
    """The first task whose stages begin so."""
    tasks = registered("known_values", "late_error").tasks("train")
    return next(task for task in tasks if [s.kind for s in plan_of(task).stages[: len(kinds)]] == list(kinds))


class TestKnownValues(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> KnownValuesEnvironment:
        found = registered("known_values", "late_error")
        assert isinstance(found, KnownValuesEnvironment)
        return found

    @pytest.fixture
    def script(self) -> Script:
        ways = ("abca", "abcb", "dbca")
        names = ("look_up", "act", "act")
        return Script(
            name="known_values",
            domain="late_error",
            task=starts_with(["read", "write", "write"]),
            plays=[
                *([call(name, stage=i, option=way[i]) for i, name in enumerate(names)] for way in ways),
                [call("look_up", stage=0, option="b"), call("transfer_to_human")],
            ],
            probes=[call("review")],
            wrong=[
                call("act", stage=7, option="a"),
                call("act", stage=True, option="a"),
                call("act", stage=0, option="e"),
                call("act", stage=0, option=["a"]),
                call("look_up", stage=0),
                call("look_up", stage=0, option="h"),
                call("repair", stage=0),
                call("repair"),
                call("take_note", stage=0, option="a", turned=[]),
                call("no_such_tool"),
                call("__class__"),
            ],
        )


# -- the user's side --------------------------------------------------------------------------------------------------


def after(environment: KnownValuesEnvironment, state: KnownState, side: Side, made: ToolCall) -> KnownState:
    transition = environment.apply(state, made, side=side)
    assert not transition.is_error, transition.content
    return transition.state


def test_what_turned_is_in_the_state_and_not_in_what_the_actor_is_told() -> None:
    environment, task, _ = world(replace(WRITES, depth=8, rules=replace(WRITES.rules, delay=4)))
    state = environment.initial(task)
    kinds = [stage.kind for stage in plan_of(task).stages]
    for stage in range(kinds.index("message")):
        state = after(environment, state, "actor", call("act", stage=stage, option="a"))
    at = state.course.stage
    turned: list[list[JsonValue]] = [[], [at]]
    told = [environment.apply(state, call("take_note", stage=at, option="a", turned=t), side="user") for t in turned]
    assert len({environment.key(transition.state) for transition in told}) == 2
    assert len({transition.content for transition in told}) == 1
    assert len({environment.apply(t.state, call("review")).content for t in told}) == 1


@by_family
async def test_every_state_of_a_play_can_be_stored(name: str) -> None:
    environment, task, cast = family(name)
    for seed in range(10):
        for state in (await play(environment, cast, task, seed=seed)).states:
            stored = environment.load(environment.dump(state.environment))
            assert environment.key(stored) == environment.key(state.environment)
            assert stored.course == state.environment.course
            copied = pickle.loads(pickle.dumps(state.environment))  # noqa: S301
            assert environment.key(copied) == environment.key(state.environment)


WRONG_FOR_THE_USER = [
    call("act", stage=0, option="a"),
    call("take_note", stage=0, option="a"),
    call("take_note", stage=0, option="a", turned=["0"]),
    call("take_note", stage=0, option="a", turned=[True]),
    call("take_note", stage=99, option="a", turned=[]),
    call("check_repair", worked=True),
    call("check_repair", worked=1),
    call("conclude", turned=[], tolerance=5),
]


@pytest.mark.parametrize("made", WRONG_FOR_THE_USER, ids=str)
def test_what_the_user_cannot_do_is_an_observation(made: ToolCall) -> None:
    environment, task, _ = family("recoverable_error")
    transition = environment.apply(environment.initial(task), made, side="user")
    assert transition.is_error and transition.content.startswith("Refused: ")
    assert transition.state is environment.initial(task)


# -- chance -----------------------------------------------------------------------------------------------------------


async def test_rollouts_of_one_action_meet_fresh_chance_and_siblings_share_it() -> None:
    environment, task, cast = world(faultless(solved=(0.95, 0.3), noise=0.2))
    playing = player(environment, cast, task, seed=0, supervision=Supervision())
    trunk = await playing.trunk(Place(path="t0", user_path="t0"))
    fork, draft = trunk.states[1], trunk.episode.steps[1].action

    async def returned(action: int, rollout: int) -> tuple[float, str]:
        place = Place(path=f"t0.s1.a{action}.r{rollout}", user_path=f"t0.s1.r{rollout}")
        branch = await playing.branch(place, fork, draft)
        return value(branch), repr([step.added for step in branch.episode.steps])

    first = [await returned(0, rollout) for rollout in range(30)]
    assert len({added for _, added in first}) > 10
    assert len({reward for reward, _ in first}) == 2
    assert [await returned(1, rollout) for rollout in range(30)] == first


async def test_without_chance_there_is_one_play() -> None:
    environment, task, cast = world(faultless(solved=(1.0,), noise=0.0))
    plays = [await play(environment, cast, task, seed=seed) for seed in range(20)]
    assert {value(played) for played in plays} == {1.0}
    assert len({repr(conversation(played)[1:]) for played in plays}) == 1


# -- ends -------------------------------------------------------------------------------------------------------------


@by_family
async def test_no_play_is_longer_than_its_plan_says_nor_than_the_usual_limit(name: str) -> None:
    for number in range(64):
        environment, task, cast = family(name, number=number)
        longest = plan_of(task).longest_play
        assert longest <= 30
        played = await play(environment, cast, task, seed=number, turns=longest)
        outcome = played.episode.outcome
        assert isinstance(outcome, Finished) and outcome.stop in (StopReason.USER_STOP, StopReason.TRANSFER)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**20), steps=st.integers(1, 3), delay=st.integers(0, 2))
async def test_the_bound_on_a_plays_length_holds_where_repairs_are_many(seed: int, steps: int, delay: int) -> None:
    rules = Rules(solved=(0.9, 0.1), noise=0.4, delay=delay, recovery_steps=steps, recovery=0.2, diligence=0.95)
    environment, task, cast = world(Parameters(rules=rules, depth=8, skill=0.3))
    played = await play(environment, cast, task, seed=seed, turns=1000)
    assert len(played.episode.steps) <= plan_of(task).longest_play


def test_handing_over_ends_the_play_with_nothing() -> None:
    environment, task, _ = family("late_error")
    transition = environment.apply(environment.initial(task), call("transfer_to_human"))
    assert transition.stop is StopReason.TRANSFER
    assert environment.reward(transition.state, (), StopReason.TRANSFER).value == 0.0
    assert environment.apply(transition.state, call("transfer_to_human")).is_error


def test_a_play_that_ran_out_of_budget_has_no_reward() -> None:
    environment, task, _ = family("late_error")
    with pytest.raises(ValueError, match="no return"):
        environment.reward(environment.initial(task), (), StopReason.BUDGET)


# -- tasks ------------------------------------------------------------------------------------------------------------


@by_family
def test_a_family_has_its_tasks_and_no_task_twice(name: str) -> None:
    environment = open_environment(name)
    train, test = environment.tasks("train"), environment.tasks("test")
    assert [task.task_id for task in train] == [f"{name}-{number:02}" for number in range(64)]
    assert {task.split for task in train} == {"train"} and {task.split for task in test} == {"test"}
    assert len({repr(task.data) for task in (*train, *test)}) == 96
    assert len({task.task_id for task in (*train, *test)}) == 96


def test_tasks_are_the_same_in_every_process() -> None:
    program = (
        "from actors.environments.known_values import *\n"
        "print([open_environment(family).provenance.data_hash for family in FAMILIES])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str([open_environment(name).provenance.data_hash for name in FAMILIES])


def test_a_family_of_other_parameters_is_told_apart() -> None:
    first, other = (KnownValuesEnvironment("mine", p) for p in (WRITES, replace(WRITES, skill=0.9)))
    assert first.provenance != other.provenance
    with pytest.raises(DataError, match="over the data"):
        other.load(first.dump(first.initial(first.tasks("train")[0])))


async def test_a_task_that_is_none_of_the_familys_own_can_be_played_and_stored() -> None:
    environment, task, _ = family("late_error")
    other = replace(task, task_id="late_error-made", data=family("recoverable_error")[1].data)
    cast = stand_ins().cast(other)
    played = await play(environment, cast, other, seed=0)
    for state in played.states:
        assert environment.key(environment.load(environment.dump(state.environment))) == environment.key(
            state.environment
        )
    again = await play_on(environment, cast, other, played.states[0], played.episode.steps[0].action, seed=0)
    assert again.episode.steps


# -- bad input --------------------------------------------------------------------------------------------------------


def test_an_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"unknown family of known_values 'late_eror'.*did you mean 'late_error'"):
        open_environment("late_eror")


def test_a_task_of_another_family_is_refused() -> None:
    _, task, _ = family("late_error")
    with pytest.raises(UsageError, match="is of domain 'late_error'"):
        open_environment("no_error").initial(task)


@pytest.mark.parametrize("data", [{}, {"stages": [], "rules": {}}, {"stages": 7, "rules": None}])
def test_a_record_that_holds_no_plan_is_named(data: dict[str, JsonValue]) -> None:
    environment = open_environment("late_error")
    task = Task(task_id="bad", domain="late_error", split="train", data=data)
    for use in (lambda: environment.initial(task), lambda: stand_ins().cast(task)):
        with pytest.raises(UsageError, match="task 'bad' holds no plan"):
            use()


def test_chances_that_do_not_sum_to_one_are_refused() -> None:
    _, task, _ = family("late_error")
    stages: list[JsonValue] = [{"kind": "write", "chances": [0.5, 0.4], "fine": [True, False]}]
    with pytest.raises(UsageError, match="sum to 1"):
        plan_of(replace(task, data={**task.data, "stages": stages}))


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff", b'{"data_hash": 1}'])
def test_what_is_no_stored_state_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="not a state of late_error"):
        open_environment("late_error").load(data)


BAD_RULES = [
    {"solved": ()},
    {"solved": (0.2, 0.9)},
    {"solved": (1.2,)},
    {"solved": (0.9,), "noise": -0.1},
    {"solved": (0.9,), "delay": 3},
    {"solved": (0.9,), "recovery": 0.5},
    {"solved": (0.9,), "recovery_steps": 1},
    {"solved": (0.9,), "recovery_steps": -1},
    {"solved": (0.9,), "recovery_steps": 1, "recovery": 0.5, "diligence": 0.8, "gives_up": 0.4},
]


@pytest.mark.parametrize("settings", BAD_RULES, ids=str)
def test_rules_without_sense_or_effect_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|needs|effect"):
        Rules(**settings)  # type: ignore[arg-type]


BAD_PARAMETERS: list[dict[str, object]] = [
    {"depth": 0},
    {"branching": 1},
    {"branching": 9},
    {"harmless": 3},
    {"kinds": ("write",)},
    {"kinds": ("message", "call")},
    {"skill": 0.0},
    {"hard_skill": (0.6, 0.3)},
    {"hard_part": (0.5, 0.5)},
    {"num_hard": -1},
]


@pytest.mark.parametrize("settings", BAD_PARAMETERS, ids=str)
def test_parameters_that_make_no_world_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"needed|must|range"):
        replace(FAMILIES["late_error"], **settings)  # type: ignore[arg-type]
