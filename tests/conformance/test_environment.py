"""Every environment against the one suite."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from actors.environments.tau2.environment import Tau2State
from rollouts.episode import JsonValue, Side, Task, ToolCall
from rollouts.protocols import Environment, Transition
from tests.conformance.environment import EnvironmentSuite, Script
from tests.environments.looks import LOOKS
from tests.environments.needs_upstream import needs_upstream
from tests.environments.plans import call, gold_calls

UPSTREAM = "actors.environments.tau2_upstream"
GRANTED: Mapping[str, JsonValue] = {"app_name": "browser", "permission": "sms"}
BOUGHT: Mapping[str, JsonValue] = {
    "user_id": "lj82d4f1a9",
    "credit_card_type": "EcoCard",
    "merchant_name": "Bakery",
    "amount": 12.5,
    "category": "Groceries",
}
WRONG: tuple[JsonValue, ...] = (None, 7, [], {}, [["#W0000000"]])


def wrong_calls(name: str, argument: str) -> list[ToolCall]:
    """A tool of one string argument, called in every wrong way, and a tool that is not there."""
    calls = [call(name, {argument: value}) for value in WRONG]
    return [
        *calls,
        call(name, {}),
        call(name, {argument: "x", "more": 1}),
        call("no_such_tool", {}),
        call("_get_user", {}),
    ]


def tau2_script(
    domain: str, *, task_ids: Sequence[str], probes: Mapping[str, str], wrong: Sequence[ToolCall]
) -> Script:
    """The gold sequences of some tasks, all played on the first one; `probes`: reading tool → its one argument."""
    environment = registered("tau2", domain)
    tasks = {task.task_id: task for task in environment.tasks("train")}
    plays = [gold_calls(tasks[task_id]) for task_id in task_ids]
    names = sorted({value for play in plays for c in play for value in _strings(c, environment, tasks[task_ids[0]])})
    return Script(
        name="tau2",
        domain=domain,
        task=tasks[task_ids[0]],
        plays=plays,
        probes=[call(tool, {argument: name}) for tool, argument in probes.items() for name in names],
        wrong=wrong,
    )


def _strings(made: ToolCall, environment: Environment[Any], task: Task) -> set[str]:
    """What a call names, and the owner of what it names."""
    named = {value for value in made.arguments.values() if isinstance(value, str) and " " not in value}
    for tool, argument in (("get_order_details", "order_id"), ("get_reservation_details", "reservation_id")):
        for name in set(named):
            content = environment.apply(environment.initial(task), call(tool, {argument: name})).content
            if '"user_id":"' in content:
                named.add(content.split('"user_id":"')[1].split('"')[0])
    return named


@functools.cache
def retail_script() -> Script:
    return tau2_script(
        "retail",
        task_ids=("72", "22", "113", "29"),
        probes={"get_order_details": "order_id", "get_user_details": "user_id"},
        wrong=wrong_calls("get_order_details", "order_id"),
    )


@functools.cache
def airline_script() -> Script:
    return tau2_script(
        "airline",
        task_ids=("9", "23", "17", "21"),
        probes={"get_reservation_details": "reservation_id", "get_user_details": "user_id"},
        wrong=wrong_calls("cancel_reservation", "reservation_id"),
    )


def two_sided_script(
    domain: str, *, task_id: str, plays: Sequence[Sequence[ToolCall]], wrong: Sequence[ToolCall]
) -> Script:
    """Everything that the plays change is shown by LOOKS."""
    environment = registered("tau2", domain)
    task = next(task for task in environment.tasks("base") if task.task_id == task_id)
    return Script(
        name="tau2",
        domain=domain,
        task=task,
        plays=plays,
        probes=[made for _, made in LOOKS[domain]],
        wrong=wrong,
        user_tools=frozenset(tool.name for tool in environment.briefing(task).user_tools),
    )


@functools.cache
def telecom_script() -> Script:
    line = {"customer_id": "C1001", "line_id": "L1001"}
    pay = [call("send_payment_request", {"customer_id": "C1001", "bill_id": "B1003"}), call("make_payment", {})]
    return two_sided_script(
        "telecom",
        task_id="[mobile_data_issue]bad_network_preference|bad_vpn|data_usage_exceeded|user_abroad_roaming_disabled_off"
        "[PERSONA:Easy]",
        plays=[
            [call("disconnect_vpn", {}), call("refuel_data", {**line, "gb_amount": 2.0}), call("toggle_roaming", {})],
            [*pay, call("toggle_airplane_mode", {}), call("refuel_data", {**line, "gb_amount": 1})],
            [call("suspend_line", {**line, "reason": "lost"}), call("resume_line", line), call("toggle_wifi", {})],
            [call("refuel_data", {**line, "gb_amount": 2.0}), call("grant_app_permission", GRANTED), *pay[:1]],
        ],
        wrong=[*wrong_calls("check_app_status", "app")[5:], call("get_customer_by_id", {"customer_id": ["C1001"]})],
    )


@functools.cache
def banking_script() -> Script:
    member = {"user_id": "lj82d4f1a9"}
    link, accounts = "get_referral_link", "get_all_user_accounts_by_user_id_3847"
    linked = json.dumps({**member, "card_name": "Gold Rewards Card"})
    return two_sided_script(
        "banking_knowledge",
        task_id="task_099",
        plays=[
            [
                call("give_discoverable_user_tool", {"discoverable_tool_name": link}),
                call("call_discoverable_user_tool", {"discoverable_tool_name": link, "arguments": linked}),
            ],
            [
                call("unlock_discoverable_agent_tool", {"agent_tool_name": accounts}),
                call("call_discoverable_agent_tool", {"agent_tool_name": accounts, "arguments": json.dumps(member)}),
                call("submit_referral", {**member, "account_type": "Gold Rewards Card"}),
            ],
            [call("change_user_email", {**member, "new_email": "new@example.com"}), call("submit_transaction", BOUGHT)],
        ],
        wrong=[
            call("grep", {}),
            call("no_such_tool", {}),
            call("_log_user_tool_call", {}),
            call("submit_transaction", {}),
        ],
    )


@pytest.mark.tau2
class TestTau2Retail(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered("tau2", "retail")

    @pytest.fixture
    def script(self) -> Script:
        return retail_script()


@pytest.mark.tau2
class TestTau2Airline(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered("tau2", "airline")

    @pytest.fixture
    def script(self) -> Script:
        return airline_script()


@pytest.mark.tau2
class TestTau2Telecom(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered("tau2", "telecom")

    @pytest.fixture
    def script(self) -> Script:
        return telecom_script()


@pytest.mark.tau2
class TestTau2BankingKnowledge(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered("tau2", "banking_knowledge")

    @pytest.fixture
    def script(self) -> Script:
        return banking_script()


@pytest.mark.tau2
@needs_upstream
class TestTau2UpstreamTelecom(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered(UPSTREAM, "telecom")

    @pytest.fixture
    def script(self) -> Script:
        script = telecom_script()
        theirs = {task.task_id: task for task in registered(UPSTREAM, "telecom").tasks("base")}
        return replace(script, name=UPSTREAM, task=theirs[script.task.task_id])


class Leaky:
    """A τ² environment whose states are overwritten by what is done from them."""

    def __init__(self, inner: Environment[Any]) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def apply(self, state: Tau2State, made: ToolCall, *, side: Side = "actor") -> Transition[Tau2State]:
        transition = self._inner.apply(state, made, side=side)
        object.__setattr__(state, "tables", transition.state.tables)
        return replace(transition, state=state)


@pytest.mark.tau2
def test_the_suite_notices_an_environment_that_shares_its_states() -> None:
    leaky: Any = Leaky(registered("tau2", "retail"))
    suite, script = EnvironmentSuite(), retail_script()
    for claim in (
        suite.test_two_branches_never_see_each_other,
        suite.test_a_fork_deep_in_an_episode_is_not_disturbed_by_its_branches,
    ):
        with pytest.raises(AssertionError):
            claim(leaky, script)
