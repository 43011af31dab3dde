"""banking_knowledge: both sides on one database, tools that are found and unlocked, and a searched knowledge base."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from actors.environments.tau2.patience import PatternTrial
from rollouts.episode import JsonValue, Side, Task
from tests.environments.plans import call, gold_steps

pytestmark = pytest.mark.tau2

TOOL = "get_all_user_accounts_by_user_id_3847"
CALLED: dict[str, JsonValue] = {"agent_tool_name": TOOL, "arguments": json.dumps({"user_id": "lj82d4f1a9"})}


def _task(task_id: str = "task_001") -> Task:
    return next(task for task in registered("tau2", "banking_knowledge").tasks("base") if task.task_id == task_id)


def _answered(state: Any, side: Side, name: str, **arguments: JsonValue) -> tuple[Any, str]:
    transition = registered("tau2", "banking_knowledge").apply(state, call(name, arguments), side=side)
    return transition.state, transition.content


def test_the_user_finds_what_the_actor_has_given_it() -> None:
    start = registered("tau2", "banking_knowledge").initial(_task())
    refused = _answered(start, "user", "list_discoverable_user_tools")[1]
    given, _ = _answered(start, "actor", "give_discoverable_user_tool", discoverable_tool_name="get_referral_link")
    assert "get_referral_link" not in refused
    assert "get_referral_link" in _answered(given, "user", "list_discoverable_user_tools")[1]


def test_a_tool_unlocked_on_one_branch_stays_locked_on_its_sibling() -> None:
    environment = registered("tau2", "banking_knowledge")
    start = environment.initial(_task())
    unlocked, _ = _answered(start, "actor", "unlock_discoverable_agent_tool", agent_tool_name=TOOL)
    assert "has not been unlocked" in _answered(start, "actor", "call_discoverable_agent_tool", **CALLED)[1]
    for state in (unlocked, environment.load(environment.dump(unlocked))):
        assert "chk_lj82d4f1a9" in _answered(state, "actor", "call_discoverable_agent_tool", **CALLED)[1]


def test_unlocking_alone_is_seen_by_tools_and_not_by_the_reward() -> None:
    environment = registered("tau2", "banking_knowledge")
    start = environment.initial(_task())
    unlocked, _ = _answered(start, "actor", "unlock_discoverable_agent_tool", agent_tool_name=TOOL)
    assert environment.key(unlocked) != environment.key(start)
    assert set(unlocked.tables) == {"agent_unlocked_tools"}


def test_tools_are_called_as_the_policy_calls_them() -> None:
    briefing = registered("tau2", "banking_knowledge").briefing(_task())
    names = {tool.name for tool in (*briefing.tools, *briefing.user_tools)}
    assert {"grep", "unlock_discoverable_agent_tool", "give_discoverable_user_tool"} <= names
    assert "`unlock_discoverable_agent_tool(" in briefing.policy
    assert "{{" not in briefing.policy


def test_a_tasks_own_accounts_are_there_and_are_not_the_tasks_record_itself() -> None:
    environment = registered("tau2", "banking_knowledge")
    task = _task("task_093")
    before = json.dumps(task.data)
    state = environment.initial(task)
    for side, made in gold_steps(task):
        state = environment.apply(state, made, side=side).state
    assert json.dumps(task.data) == before
    initial: Any = task.data["initial_state"]
    [account, *_] = initial["initialization_data"]["agent_data"]["accounts"]["data"]
    assert account not in environment.initial(_task()).tables.get("accounts", ())
    assert environment.initial(task).tables["accounts"].records[account] is not None


def test_the_knowledge_base_is_searched_by_pattern() -> None:
    start = registered("tau2", "banking_knowledge").initial(_task())
    state, found = _answered(start, "actor", "grep", pattern="referral.*link")
    assert state is start
    assert found.startswith("1. ")
    assert _answered(start, "actor", "grep", pattern="zzzz(")[1] == "No matches found for pattern: zzzz("


@pytest.mark.parametrize("pattern", [7, None, ["x"], "x" * 5_000, "(" * 4_000, "x{99999999999}", "(?P<"])
def test_a_pattern_that_makes_no_sense_never_breaks_the_search(pattern: JsonValue) -> None:
    start = registered("tau2", "banking_knowledge").initial(_task())
    assert _answered(start, "actor", "grep", pattern=pattern)[1].startswith(("Error: ", "No matches found"))


def test_deeply_nested_json_in_an_argument_is_refused() -> None:
    start = registered("tau2", "banking_knowledge").initial(_task())
    unlocked, _ = _answered(start, "actor", "unlock_discoverable_agent_tool", agent_tool_name=TOOL)
    nested = {"agent_tool_name": TOOL, "arguments": "[" * 100_000}
    assert _answered(unlocked, "actor", "call_discoverable_agent_tool", **nested)[1].startswith("Error: ")


def test_a_search_that_would_never_end_is_refused_and_is_not_tried_twice() -> None:
    trial = PatternTrial(["a" * 40 + "b"], limit_s=0.5)
    for _ in range(1_000):
        with pytest.raises(ValueError, match=r"more than 0\.5 s"):
            trial.check("(a+)+$")


def test_a_pattern_that_is_quick_or_is_no_pattern_is_the_tools_to_answer() -> None:
    trial = PatternTrial(["a" * 40 + "b"])
    for pattern in ("a+", "plain words", "(", "x{99999999999}"):
        trial.check(pattern)
