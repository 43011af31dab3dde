"""The return of a τ² trajectory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from rollouts.episode import (
    AssistantMessage,
    Conversation,
    JsonValue,
    Reward,
    StopReason,
    Task,
    ToolMessage,
    UserMessage,
)
from rollouts.errors import UsageError
from tests.environments.plans import call, gold_calls

pytestmark = pytest.mark.tau2

RETAIL_TOLD = "16"
# two cancellations and a return; "8276.23" must be told
AIRLINE_ASSERTED = "0"
# nothing to do, nothing to tell, one assertion in natural language


ASSERTED = {"env_type": "assistant", "func_name": "get_user_details", "arguments": {}}


def _task(domain: str, task_id: str) -> Task:
    return next(task for task in registered("tau2", domain).tasks("train") if task.task_id == task_id)


def _rewarded(conversation: Conversation = (), *, stop: StopReason = StopReason.USER_STOP, skip: str = "") -> Reward:
    """After the gold sequence of RETAIL_TOLD, without the calls of the tool `skip`."""
    environment, task = registered("tau2", "retail"), _task("retail", RETAIL_TOLD)
    state = environment.initial(task)
    for made in gold_calls(task):
        if made.name != skip:
            state = environment.apply(state, made).state
    return environment.reward(state, conversation, stop)


def test_the_return_is_1_when_the_database_is_right_and_the_information_told() -> None:
    reward = _rewarded((AssistantMessage(text="You save $8,276.23 in all."),))
    assert reward == Reward(value=1.0, basis=("DB", "COMMUNICATE"), parts={"DB": 1.0, "COMMUNICATE": 1.0})


def test_a_write_left_out_costs_the_database_part() -> None:
    reward = _rewarded((AssistantMessage(text="8276.23"),), skip="return_delivered_order_items")
    assert (reward.value, reward.parts) == (0.0, {"DB": 0.0, "COMMUNICATE": 1.0})


@pytest.mark.parametrize(
    "conversation",
    [
        (),
        (UserMessage(text="8276.23"),),
        (ToolMessage(call_id="1", name="calculate", content="8276.23"),),
        (AssistantMessage(text="8276"), AssistantMessage(text=".23")),
    ],
)
def test_information_counts_only_in_one_message_of_the_actors(conversation: Conversation) -> None:
    assert _rewarded(conversation).parts == {"DB": 1.0, "COMMUNICATE": 0.0}


def test_text_beside_a_tool_call_tells_the_user_too() -> None:
    told = AssistantMessage(text="It is 8,276.23.", tool_calls=(call("calculate", {"expression": "1"}),))
    assert _rewarded((told,)).value == 1.0


@pytest.mark.parametrize("stop", [StopReason.USER_STOP, StopReason.AGENT_STOP, StopReason.TRANSFER])
def test_whoever_ended_the_episode_it_is_judged(stop: StopReason) -> None:
    assert _rewarded((AssistantMessage(text="8276.23"),), stop=stop).value == 1.0


def test_an_episode_cut_off_at_the_turn_limit_is_worth_nothing() -> None:
    reward = _rewarded((AssistantMessage(text="8276.23"),), stop=StopReason.TURN_LIMIT)
    assert (reward.value, reward.parts) == (0.0, {"DB": 0.0, "COMMUNICATE": 0.0})


def test_an_episode_without_budget_has_no_return() -> None:
    with pytest.raises(ValueError, match="has no return"):
        _rewarded(stop=StopReason.BUDGET)


def test_assertions_in_natural_language_are_named_and_never_passed() -> None:
    environment = registered("tau2", "airline")
    reward = environment.reward(environment.initial(_task("airline", AIRLINE_ASSERTED)), (), StopReason.USER_STOP)
    assert reward.not_evaluated == ("NL_ASSERTION",)
    assert set(reward.parts) == {"DB", "COMMUNICATE"}


@pytest.mark.parametrize(
    ("stop", "handed_on"),
    [
        (StopReason.USER_STOP, ("Agent should refuse to proceed with the cancellation.",)),
        (StopReason.TURN_LIMIT, ()),
    ],
)
def test_assertions_are_handed_on_to_a_judge_where_the_world_ended_the_episode(
    stop: StopReason, handed_on: tuple[str, ...]
) -> None:
    environment = registered("tau2", "airline")
    reward = environment.reward(environment.initial(_task("airline", AIRLINE_ASSERTED)), (), stop)
    assert (reward.assertions, reward.not_evaluated) == (handed_on, ("NL_ASSERTION",))


def _with_criteria(**criteria: Any) -> Task:
    task = _task("retail", RETAIL_TOLD)
    original: Any = task.data["evaluation_criteria"]
    return replace(task, data={**task.data, "evaluation_criteria": {**original, **criteria}})


def test_a_tasks_own_basis_is_kept() -> None:
    environment = registered("tau2", "retail")
    task = _with_criteria(reward_basis=["DB", "NL_ASSERTION"], communicate_info=["never told"])
    state = environment.initial(task)
    for made in gold_calls(task):
        state = environment.apply(state, made).state
    reward = environment.reward(state, (), StopReason.USER_STOP)
    expected = Reward(value=1.0, basis=("DB", "NL_ASSERTION"), parts={"DB": 1.0}, not_evaluated=("NL_ASSERTION",))
    assert reward == expected
    assert environment.reward(environment.load(environment.dump(state)), (), StopReason.USER_STOP) == expected


def test_the_gold_sequence_is_the_tasks_own_even_under_a_known_id() -> None:
    environment = registered("tau2", "retail")
    untouched = [
        environment.reward(environment.initial(task), (AssistantMessage(text="8276.23"),), StopReason.USER_STOP).value
        for task in (_task("retail", RETAIL_TOLD), _with_criteria(actions=[]), _with_criteria(actions=None))
    ]
    assert untouched == [0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        ({"evaluation_criteria": {"reward_basis": ["NL_ASSERTION"]}}, "only .*'DB'.* can be judged"),
        ({"evaluation_criteria": {"actions": "all"}}, "not as tau2 defines it"),
        ({}, "not as tau2 defines it"),
        ({"evaluation_criteria": {}, "initial_state": {"initialization_actions": "all"}}, "initial_state"),
        ({"evaluation_criteria": {}, "initial_state": {"message_history": [{}]}}, "message_history"),
        (
            {"evaluation_criteria": {}, "initial_state": {"initialization_data": {}}},
            "brings into banking_knowledge only",
        ),
        ({"evaluation_criteria": {"env_assertions": [ASSERTED]}}, "asserts 'get_user_details', which is none"),
    ],
)
def test_a_task_whose_return_could_not_be_known_is_refused_before_it_is_played(
    data: dict[str, JsonValue], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        registered("tau2", "retail").initial(replace(_task("retail", RETAIL_TOLD), data=data))


def test_a_task_of_another_domain_is_refused() -> None:
    with pytest.raises(UsageError, match="of domain 'airline', this is 'retail'"):
        registered("tau2", "retail").initial(_task("airline", AIRLINE_ASSERTED))
