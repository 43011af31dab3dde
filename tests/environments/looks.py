"""Calls that show much of what a telecom or a banking_knowledge state holds: each can be answered in every state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rollouts.episode import JsonValue, Side, ToolCall
from tests.environments.plans import call

Look = tuple[Side, ToolCall]

CUSTOMERS = ("C1001", "C1002", "C1003", "C1004")
DETAILS = ("L1001", "L1002", "L1003", "D1001", "D1002", "B1001", "B1002", "P1001", "P1002", *CUSTOMERS)
PHONE = (
    "can_send_mms",
    "check_apn_settings",
    "check_data_restriction_status",
    "check_installed_apps",
    "check_network_mode_preference",
    "check_network_status",
    "check_payment_request",
    "check_sim_status",
    "check_status_bar",
    "check_vpn_status",
    "check_wifi_calling_status",
    "check_wifi_status",
    "run_speed_test",
)
BANK = ("get_referrals_by_user", "get_credit_card_transactions_by_user", "get_credit_card_accounts_by_user")


def _actor(name: str, **arguments: JsonValue) -> Look:
    return "actor", call(name, arguments)


def _user(name: str, **arguments: JsonValue) -> Look:
    return "user", call(name, arguments)


LOOKS: Mapping[str, Sequence[Look]] = {
    "telecom": [
        *(_actor("get_details_by_id", id=name) for name in DETAILS),
        *(_actor("get_bills_for_customer", customer_id=name) for name in CUSTOMERS),
        _actor("get_customer_by_phone", phone_number="555-123-2002"),
        _actor("get_customer_by_id", customer_id="C1001"),
        _actor("get_customer_by_name", full_name="John Smith", dob="1985-06-15"),
        _actor("get_data_usage", customer_id="C1001", line_id="L1002"),
        *(_user(name) for name in PHONE),
        *(
            _user(name, app_name=app)
            for name in ("check_app_status", "check_app_permissions")
            for app in ("messaging", "browser", "x")
        ),
    ],
    "banking_knowledge": [
        *(_actor(name, user_id="lj82d4f1a9") for name in ("get_user_information_by_id", *BANK)),
        _actor("list_discoverable_agent_tools"),
        # tells whether the tool is unlocked
        _actor("call_discoverable_agent_tool", agent_tool_name="get_all_user_accounts_by_user_id_3847", arguments="{"),
        _actor("get_current_time"),
        _actor("grep", pattern="close.*credit card"),
        _user("list_discoverable_user_tools"),
    ],
}
