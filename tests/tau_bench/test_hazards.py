"""Each way in which upstream's environment breaks when it is used as a service, on the real package."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from typing import Any

import pytest

from actors.environments.tau_bench.checkout import find_checkout
from actors.environments.tau_bench.environment import TauBenchEnvironment
from rollouts.episode import AssistantMessage, Conversation, StopReason, Task, ToolCall
from rollouts.errors import DataError, UsageError
from tests.environments.plans import call
from tests.needs import REPOSITORY
from tests.tau_bench.plain import all_tasks, gold_calls, open_once

pytestmark = pytest.mark.tau_bench
LIGHT = """
import sys
from actors.environments.tau_bench import open_environment
from rollouts.episode import StopReason, ToolCall
world = open_environment("retail")
task = world.tasks("train")[0]
world.briefing(task)
state = world.initial(task)
for action in task.data["actions"]:
    state = world.apply(state, ToolCall(call_id="1", name=action["name"], arguments=action["kwargs"])).state
assert world.reward(state, (), StopReason.USER_STOP).value == 1.0
print(world.provenance.version)
print(sorted({"litellm", "openai", "anthropic", "numpy", "tenacity"} & sys.modules.keys()))
"""
# plays an episode in a new process, with nothing but TAU_BENCH_PATH to find the package by


@pytest.fixture
def airline() -> TauBenchEnvironment:
    return open_once("airline")


@pytest.fixture
def retail() -> TauBenchEnvironment:
    return open_once("retail")


def _task_with(domain: str, tool: str) -> tuple[Task, ToolCall]:
    """A task whose gold sequence has this tool, and the call."""
    return next((task, made) for task in all_tasks(domain) for made in gold_calls(task) if made.name == tool)


def test_the_reward_leaves_a_live_episode_as_it_was(retail: TauBenchEnvironment) -> None:
    task, made = _task_with("retail", "cancel_pending_order")
    for state in (retail.initial(task), retail.apply(retail.initial(task), made).state):
        key = retail.key(state)
        first, again = (retail.reward(state, (), StopReason.USER_STOP) for _ in range(2))
        assert first == again
        assert retail.key(state) == key
        answers = {retail.apply(state, made).content for _ in range(2)}
        assert len(answers) == 1


def test_siblings_may_execute_the_same_action_object(airline: TauBenchEnvironment) -> None:
    """Upstream's database keeps the payments of a booking by reference; cancelling it writes into them."""
    task, booking = _task_with("airline", "book_reservation")
    asked = json.dumps(booking.arguments)
    cancelling = call("cancel_reservation", {"reservation_id": "HATHAT"})
    fork, ends = airline.initial(task), []
    for _ in range(3):
        booked = airline.apply(fork, booking)
        assert not booked.is_error, booked.content
        cancelled = airline.apply(booked.state, cancelling)
        assert not cancelled.is_error, cancelled.content
        ends.append(airline.key(cancelled.state))
    assert len(set(ends)) == 1
    assert json.dumps(booking.arguments) == asked


@pytest.mark.parametrize("domain", ["retail", "airline"])
def test_a_calculation_without_end_is_refused(domain: str) -> None:
    environment = open_once(domain)
    state = environment.initial(all_tasks(domain)[0])
    endless = environment.apply(state, call("calculate", {"expression": "9**9**9"}))
    assert (endless.is_error, endless.state) == (True, state)
    assert environment.apply(state, call("calculate", {"expression": "2 * (3 + 4) - 0.5"})).content == "13.5"
    assert environment.apply(state, call("calculate", {"expression": "2(3)"})).is_error
    assert environment.apply(state, call("calculate", {"expression": 7})).is_error


def test_the_certificate_after_the_last_is_refused(airline: TauBenchEnvironment) -> None:
    task, made = _task_with("airline", "send_certificate")
    state, errors = airline.initial(task), []
    for _ in range(4):
        transition = airline.apply(state, made)
        errors.append(transition.is_error)
        assert transition.content
        state = transition.state
    assert errors == [False, False, False, True]


def test_to_respond_is_no_tool(retail: TauBenchEnvironment) -> None:
    """Upstream looks for `content` in the action and fails where there is none."""
    state = retail.initial(all_tasks("retail")[0])
    for arguments in ({}, {"content": None}, {"content": "Hello"}):
        transition = retail.apply(state, call("respond", arguments))
        assert (transition.content, transition.is_error) == ("Unknown action respond", True)


def test_the_user_has_no_tools(retail: TauBenchEnvironment) -> None:
    task, made = _task_with("retail", "cancel_pending_order")
    state = retail.initial(task)
    transition = retail.apply(state, made, side="user")
    assert (transition.state, transition.is_error, transition.stop) == (state, True, None)
    assert not retail.briefing(task).user_tools


def test_nobodys_chance_is_touched(airline: TauBenchEnvironment) -> None:
    before = random.getstate()
    for task in all_tasks("airline")[:5]:
        state = airline.initial(task)
        for made in gold_calls(task):
            state = airline.apply(state, made).state
        airline.reward(state, (), StopReason.USER_STOP)
    assert random.getstate() == before


def test_a_worker_never_imports_a_model_client() -> None:
    root = find_checkout().root
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", LIGHT],
        cwd=REPOSITORY,
        env=environ | {"TAU_BENCH_PATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [find_checkout().version, "[]"]
    assert not done.stderr


# -- what ends an episode, and what it is worth then ------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [{"summary": "x"}, {}, {"summary": "x", "more": 1}])
def test_a_transfer_ends_the_episode_whatever_it_answers(
    retail: TauBenchEnvironment, arguments: dict[str, Any]
) -> None:
    transition = retail.apply(retail.initial(all_tasks("retail")[0]), call("transfer_to_human_agents", arguments))
    assert transition.stop is StopReason.TRANSFER
    assert transition.is_error == (arguments != {"summary": "x"})


def test_the_stop_token_ends_the_episode_wherever_it_stands(retail: TauBenchEnvironment) -> None:
    assert retail.user_stop("Thanks! ###STOP### Bye.") is StopReason.USER_STOP
    assert retail.user_stop("###TRANSFER###") is None
    assert retail.user_stop("STOP") is None


def test_an_episode_that_was_cut_off_is_worth_0_and_one_out_of_budget_nothing_at_all(
    retail: TauBenchEnvironment,
) -> None:
    task = all_tasks("retail")[0]
    state = retail.initial(task)
    for made in gold_calls(task):
        state = retail.apply(state, made).state
    assert retail.reward(state, (), StopReason.USER_STOP).value == 1.0
    assert retail.reward(state, (), StopReason.TRANSFER).value == 1.0
    assert retail.reward(state, (), StopReason.TURN_LIMIT).parts == {"DB": 0.0}
    with pytest.raises(ValueError, match="budget"):
        retail.reward(state, (), StopReason.BUDGET)


TOLD = call("think", {"thought": "x"})


@pytest.mark.parametrize(
    ("outputs", "conversation", "told"),
    [
        (["10"], (AssistantMessage(text="There are 10."),), 1.0),
        (["1000"], (AssistantMessage(text="It costs $1,000."),), 1.0),
        (["1,000"], (AssistantMessage(text="It costs $1,000."),), 0.0),  # the message's commas only
        (["Red Mug"], (AssistantMessage(text="a RED MUG"),), 1.0),
        (["10", "11"], (AssistantMessage(text="10"), AssistantMessage(text=""), AssistantMessage(text="11")), 1.0),
        (["10", "11"], (AssistantMessage(text="10"),), 0.0),
        (["10"], (AssistantMessage(text="10", tool_calls=(TOLD,)),), 0.0),  # the user never reads it
        (["10"], (), 0.0),
    ],
)
def test_outputs_are_told_when_a_message_to_the_user_holds_them(
    retail: TauBenchEnvironment, outputs: list[str], conversation: Conversation, told: float
) -> None:
    data: dict[str, Any] = {"user_id": "nobody", "instruction": "Ask.", "actions": [], "outputs": outputs}
    state = retail.initial(Task(task_id="own", domain="retail", split="train", data=data))
    reward = retail.reward(state, conversation, StopReason.USER_STOP)
    assert (reward.value, reward.parts) == (told, {"DB": 1.0, "OUTPUTS": told})


# -- what the two sides are told --------------------------------------------------------------------------------------


def test_the_briefing_is_the_packages(retail: TauBenchEnvironment) -> None:
    task = all_tasks("retail")[0]
    briefing = retail.briefing(task)
    assert str(task.data["instruction"]) in briefing.user_instructions
    assert "###STOP###" in briefing.user_instructions
    assert str(task.data["instruction"]) not in briefing.policy
    assert briefing.policy == (find_checkout().package / "envs" / "retail" / "wiki.md").read_text()
    assert retail.briefing(all_tasks("retail")[1]).tools is briefing.tools, "schemas are made once for each process"
    assert {tool.kind for tool in briefing.tools} == {"read", "write", "transfer", "other"}


def test_a_task_is_named_by_its_split_and_upstreams_index(retail: TauBenchEnvironment) -> None:
    assert [len(retail.tasks(split)) for split in ("train", "test", "dev")] == [500, 115, 20]
    assert retail.tasks("test")[3].task_id == "test-3"
    with pytest.raises(UsageError, match="'train', 'test', 'dev'; did you mean 'train'"):
        retail.tasks("trian")


def test_a_task_that_is_not_as_the_benchmark_defines_one_is_refused(retail: TauBenchEnvironment) -> None:
    with pytest.raises(UsageError, match=r"(?s)'odd' is not as tau_bench defines one: .*outputs"):
        retail.initial(Task(task_id="odd", domain="retail", split="train", data={"user_id": "x", "actions": []}))
    with pytest.raises(UsageError, match="of domain 'airline'"):
        retail.initial(all_tasks("airline")[0])


@pytest.mark.parametrize("stored", [b"{", b"{}", b'{"image": "another", "task": "train-0", "database": {}}'])
def test_what_is_no_stored_state_is_refused(retail: TauBenchEnvironment, stored: bytes) -> None:
    with pytest.raises(DataError, match="must come from `dump`"):
        retail.load(stored)
