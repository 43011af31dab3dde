"""Telecom: an actor and a user who each act on a side of one world, and a return that hangs on where both end up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from actors.environments.tau2.environment import Tau2State
from rollouts.episode import Conversation, JsonValue, Side, StopReason, Task
from rollouts.errors import UsageError
from tests.environments.plans import call, gold_steps, said

pytestmark = pytest.mark.tau2

BAD_VPN = "[mobile_data_issue]bad_vpn|data_saver_mode_on|user_abroad_roaming_disabled_on[PERSONA:None]"
OVERDUE = "[service_issue]airplane_mode_on|overdue_bill_suspension[PERSONA:None]"
LINE: dict[str, JsonValue] = {"customer_id": "C1001", "line_id": "L1002"}


def _task(task_id: str) -> Task:
    return next(task for task in registered("tau2", "telecom").tasks("base") if task.task_id == task_id)


def _done(state: Tau2State, side: Side, name: str, **arguments: JsonValue) -> Tau2State:
    transition = registered("tau2", "telecom").apply(state, call(name, arguments), side=side)
    assert not transition.is_error, transition.content
    done: Tau2State = transition.state
    return done


def _shown(state: Tau2State, side: Side, name: str, **arguments: JsonValue) -> str:
    return registered("tau2", "telecom").apply(state, call(name, arguments), side=side).content


def _solved(task: Task, *, without: str = "") -> tuple[Tau2State, Conversation]:
    """The end of the gold sequence, and its calls as a conversation."""
    state: Tau2State = registered("tau2", "telecom").initial(task)
    conversation: Conversation = ()
    for side, made in gold_steps(task):
        if made.name != without:
            state = _done(state, side, made.name, **made.arguments)
            conversation += said(side, made)
    return state, conversation


# -- two sides --------------------------------------------------------------------------------------------------------


def test_a_task_begins_where_its_initialisation_leaves_the_world() -> None:
    state = registered("tau2", "telecom").initial(_task(BAD_VPN))
    assert "VPN is ON" in _shown(state, "user", "check_vpn_status")
    assert '"roaming_enabled": false' in _shown(state, "actor", "get_details_by_id", id="L1002")


def test_what_the_actor_does_reaches_the_users_phone_in_the_same_call() -> None:
    state = registered("tau2", "telecom").initial(_task(BAD_VPN))
    assert "failed" in _shown(state, "user", "run_speed_test")
    assert "Mbps" in _shown(_done(state, "actor", "enable_roaming", **LINE), "user", "run_speed_test")


def test_what_the_user_pays_reaches_the_companys_books_in_the_same_call() -> None:
    state = registered("tau2", "telecom").initial(_task(OVERDUE))
    [bill] = [made.arguments for _, made in gold_steps(_task(OVERDUE)) if made.name == "send_payment_request"]
    asked = _done(state, "actor", "send_payment_request", **bill)
    assert str(bill["bill_id"]) in _shown(asked, "user", "check_payment_request")
    paid = _done(asked, "user", "make_payment")
    assert '"status": "Paid"' in _shown(paid, "actor", "get_details_by_id", id=bill["bill_id"])
    assert _shown(paid, "user", "check_payment_request") == "No payment request has been made."


@pytest.mark.parametrize(
    ("side", "name"),
    [
        ("actor", "toggle_airplane_mode"),
        ("user", "enable_roaming"),
        ("user", "break_vpn"),
        ("actor", "_set_bill_to_paid"),
    ],
)
def test_a_side_has_its_own_tools_only(side: Side, name: str) -> None:
    environment = registered("tau2", "telecom")
    state = environment.initial(_task(BAD_VPN))
    transition = environment.apply(state, call(name, {}), side=side)
    assert transition.is_error
    assert transition.state is state


def test_a_broken_vpn_stays_broken_after_it_is_connected_again_and_breaks_no_other_episode() -> None:
    """Upstream's `break_vpn` spoils the default that `connect_vpn` hands out: here it is part of the state."""
    environment = registered("tau2", "telecom")
    broken, other = environment.initial(_task(BAD_VPN)), environment.initial(_task(OVERDUE))
    again = _done(_done(broken, "user", "disconnect_vpn"), "user", "connect_vpn")
    assert "poor" in _shown(again, "user", "check_vpn_status")
    assert "poor" in _shown(environment.load(environment.dump(again)), "user", "check_vpn_status")
    assert "excellent" in _shown(_done(other, "user", "connect_vpn"), "user", "check_vpn_status")


def test_a_new_bill_has_the_same_number_in_every_run_and_equal_states_stay_equal() -> None:
    environment = registered("tau2", "telecom")
    start = environment.initial(_task(BAD_VPN))
    mine: dict[str, JsonValue] = {"customer_id": "C1002", "line_id": "L1004", "gb_amount": 1.0}
    one, other = (_done(start, "actor", "refuel_data", **mine) for _ in range(2))
    assert environment.key(one) == environment.key(other) != environment.key(start)
    assert _last_bill(one) in _shown(one, "actor", "get_customer_by_id", customer_id="C1002")
    second = _done(one, "actor", "refuel_data", customer_id="C1003", line_id="L1009", gb_amount=1.0)
    assert _last_bill(second) != _last_bill(one)


def _last_bill(state: Tau2State) -> str:
    delta = state.tables["bills"]
    record = delta.records[delta.appended[-1]]
    assert record is not None
    return str(record.value.bill_id)


# -- the return -------------------------------------------------------------------------------------------------------


def test_the_return_is_1_when_what_the_task_asserts_has_come_true() -> None:
    state, _ = _solved(_task(BAD_VPN))
    reward = registered("tau2", "telecom").reward(state, (), StopReason.USER_STOP)
    assert (reward.value, reward.basis, reward.parts) == (1.0, ("ENV_ASSERTION",), {"ENV_ASSERTION": 1.0})
    assert registered("tau2", "telecom").reward(state, (), StopReason.TURN_LIMIT).value == 0.0


@pytest.mark.parametrize("without", ["disconnect_vpn", "toggle_data_saver_mode", "enable_roaming"])
def test_a_step_left_out_by_either_side_costs_the_return(without: str) -> None:
    state, _ = _solved(_task(BAD_VPN), without=without)
    assert registered("tau2", "telecom").reward(state, (), StopReason.USER_STOP).parts == {"ENV_ASSERTION": 0.0}


def _acted(*, conversation: Conversation, **action: Any) -> float:
    """The part ACTION, where one action is asked for."""
    environment, task = registered("tau2", "telecom"), _task(BAD_VPN)
    wanted = {
        "action_id": "1",
        "requestor": "assistant",
        "name": "refuel_data",
        "arguments": {**LINE, "gb_amount": 2.0},
    }
    criteria: Any = {"reward_basis": ["ACTION"], "actions": [{**wanted, **action}]}
    state = environment.initial(replace(task, data={**task.data, "evaluation_criteria": criteria}))
    part: float = environment.reward(state, conversation, StopReason.USER_STOP).parts["ACTION"]
    return part


REFUELLED = call("refuel_data", {"gb_amount": 2, "line_id": "L1002", "customer_id": "C1001"})


def test_an_action_counts_whatever_else_was_called_and_however_its_numbers_are_written() -> None:
    before, after = said("actor", call("get_data_usage", LINE)), said("actor", call("enable_roaming", LINE))
    assert _acted(conversation=(*before, *said("actor", REFUELLED), *after)) == 1.0
    assert _acted(conversation=(*before, *after)) == 0.0


def test_an_action_counts_for_its_own_side_only() -> None:
    assert _acted(conversation=said("user", REFUELLED)) == 0.0
    assert _acted(conversation=said("user", REFUELLED), requestor="user") == 1.0


@pytest.mark.parametrize(
    ("compared", "arguments", "part"),
    [
        (None, {**LINE, "gb_amount": 3.0}, 0.0),
        (None, {**LINE, "gb_amount": 2.0, "more": None}, 0.0),
        (["line_id"], {**LINE, "gb_amount": 3.0}, 1.0),
        (["line_id", "gb_amount"], {**LINE, "gb_amount": 3.0}, 0.0),
        ([], {}, 1.0),
    ],
)
def test_the_arguments_that_an_action_names_are_compared(
    compared: list[str] | None, arguments: dict[str, JsonValue], part: float
) -> None:
    made = said("actor", call("refuel_data", arguments))
    assert _acted(conversation=made, compare_args=compared) == part


def test_the_order_of_a_list_in_the_arguments_does_not_count() -> None:
    made = said("actor", call("book", {"seats": ["2B", "1A"]}))
    assert _acted(conversation=made, name="book", arguments={"seats": ["1A", "2B"]}) == 1.0
    assert _acted(conversation=made, name="book", arguments={"seats": ["1A", "1A"]}) == 0.0


def test_a_transfer_counts_whatever_its_summary_says() -> None:
    made = said("actor", call("transfer_to_human_agents", {"summary": "It is locked."}))
    assert _acted(conversation=made, name="transfer_to_human_agents", arguments={"summary": ""}) == 1.0


def test_a_task_whose_beginning_cannot_be_played_is_refused() -> None:
    actions: Any = [{"env_type": "user", "func_name": "set_user_info", "arguments": {"name": "x", "phone_number": "1"}}]
    task = _task(BAD_VPN)
    with pytest.raises(UsageError, match=r"its `initial_state` cannot be played: .*phone number 1 not found"):
        registered("tau2", "telecom").initial(
            replace(task, data={**task.data, "initial_state": {"initialization_actions": actions}})
        )
