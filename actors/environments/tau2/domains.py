"""What the package's domains are: one description each.

To add a domain whose tools find the database under `self.db`, describe it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollouts.episode import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolkit:
    """One side's tools. Paths are "module:attribute", below inspect_evals.tau2; likewise in `Domain`."""

    path: str
    # the class whose methods are the tools
    tools: tuple[str, ...]
    # definitions: names, descriptions and schemas as the side sees them; each path one definition or a list of them
    read_only: frozenset[str]
    # tools known not to write: they are given frozen records. Any other tool is run as one that may write
    memory: tuple[str, ...] = ()
    # the class's fields beside `db` that its methods remember something in


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    name: str
    databases: Mapping[str, str]
    # model of a whole database → its file, in the domain's own data directory; likewise the files below
    data_hash: str
    # SHA-256 of the files that `Files.data_hash` covers, as the supported version brings them; "": they may change
    toolkits: Mapping[Side, Toolkit]
    # all of them find all of the databases under `self.db`
    tasks_file: str = "tasks.json"
    splits_file: str = "split_tasks.json"
    # "": the benchmark has no splits, and "base" holds every task
    knowledge_files: tuple[str, ...] = ()
    # what tools read beside the databases
    policy_files: Mapping[str, str] = field(default_factory=lambda: {"": "policy.txt"})
    # tag → file; a text without a tag stands bare
    guidelines_file: str = "simulation_guidelines.txt"
    # the simulated user's, in the package's data directory
    environment: str = ""
    # made of (user_tools, tools), which brings the two sides' databases into agreement; "": they need none
    merge: str = ""
    # of (database, initialization data); "": a task cannot bring data of its own
    to_json: str = ""
    # how an answer that is no text is written; "": as JSON with sorted keys
    prefix: str = ""
    # of every tool's name in the package, left out here as in the tasks and the policy
    minted_in: str = ""
    # the list whose length gives the next id that the package draws at random; "": it draws none


RETAIL = Domain(
    name="retail",
    data_hash="cc694c0d699e1811a68dbba31514ff70034aeb32a0cafa52969f12019b048433",
    databases={"retail.data_model:RetailDB": "db.json.gz"},
    toolkits={
        "actor": Toolkit(
            path="retail.RetailAgentTools:RetailAgentTools",
            tools=("retail.tools:all_retail_tools",),
            read_only=frozenset(
                {
                    "find_user_id_by_email",
                    "find_user_id_by_name_zip",
                    "get_order_details",
                    "get_product_details",
                    "get_user_details",
                    "list_all_product_types",
                }
            ),
        )
    },
)

AIRLINE = Domain(
    name="airline",
    data_hash="40cb61ec8676b6854858acca84173a266b65370c48c5a8d9703cc1a2e815138a",
    databases={"airline.data_model:FlightDB": "db.json.gz"},
    toolkits={
        "actor": Toolkit(
            path="airline.AirlineAgentTools:AirlineAgentTools",
            tools=("airline.tools:all_airline_tools",),
            read_only=frozenset(
                {
                    "get_flight_status",
                    "get_reservation_details",
                    "get_user_details",
                    "list_all_airports",
                    "search_direct_flight",
                    "search_onestop_flight",
                }
            ),
        )
    },
)

TELECOM = Domain(
    name="telecom",
    data_hash="a28a6538dd0561690368dea643a10ecec3490b2abe00820648434c75fb4c88f7",
    databases={
        "telecom.data_model:TelecomDB": "db.toml",
        "telecom.user_data_model:TelecomUserDB": "user_db.toml",
    },
    toolkits={
        "actor": Toolkit(
            path="telecom.TelecomAgentTools:TelecomAgentTools",
            tools=("telecom.tools:all_telecom_agent_tools",),
            read_only=frozenset(
                {
                    "get_bills_for_customer",
                    "get_customer_by_id",
                    "get_customer_by_name",
                    "get_customer_by_phone",
                    "get_data_usage",
                    "get_details_by_id",
                }
            ),
        ),
        "user": Toolkit(
            path="telecom.TelecomUserTools:TelecomUserTools",
            tools=("telecom.user_tools:all_telecom_user_tools",),
            read_only=frozenset(
                {
                    "can_send_mms",
                    "check_apn_settings",
                    "check_app_permissions",
                    "check_app_status",
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
                }
            ),
            memory=("default_vpn_details",),
        ),
    },
    tasks_file="tasks.json.gz",
    policy_files={"main_policy": "main_policy.txt", "tech_support_policy": "tech_support_manual.txt"},
    guidelines_file="simulation_guidelines_tools.txt",
    environment="telecom.environment:Environment",
    to_json="telecom.utils:safe_json_dumps",
    minted_in="bills",
)

BANKING_KNOWLEDGE = Domain(
    name="banking_knowledge",
    data_hash="e5051b17bee7169c63398c5314e5af66b23db62021b8b7a96e8d16a6f32e9704",
    databases={"banking.data_model:TransactionalDB": "db.json"},
    toolkits={
        "actor": Toolkit(
            path="banking.BankingAgentTools:BankingAgentTools",
            # the knowledge base is searched by pattern: the package's default, which needs no model and no network
            tools=("banking.tools:all_banking_agent_tools", "banking.tools:banking_grep"),
            read_only=frozenset(
                {
                    "get_credit_card_accounts_by_user",
                    "get_credit_card_transactions_by_user",
                    "get_current_time",
                    "get_referrals_by_user",
                    "get_user_information_by_email",
                    "get_user_information_by_id",
                    "get_user_information_by_name",
                    "grep",
                    "list_discoverable_agent_tools",
                }
            ),
            memory=("agent_unlocked_tools", "user_given_tools_state"),
        ),
        "user": Toolkit(
            path="banking.BankingUserTools:BankingUserTools",
            tools=("banking.user_tools:all_banking_user_tools",),
            read_only=frozenset({"list_discoverable_user_tools"}),
        ),
    },
    splits_file="",
    knowledge_files=("documents.json.gz",),
    policy_files={"": "prompts/grep_only.md"},
    guidelines_file="simulation_guidelines_tools.txt",
    merge="banking.environment:_apply_initialization_data",
    prefix="banking_",
)

DOMAINS = {domain.name: domain for domain in (RETAIL, AIRLINE, TELECOM, BANKING_KNOWLEDGE)}
