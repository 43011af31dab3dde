"""What the package's domains are: one description each.

To add a domain whose tools belong to the agent alone and whose tables hold records by key, describe it here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain:
    name: str
    database: str
    # the model of the whole database: "module:attribute", below inspect_evals.tau2; likewise the next two
    toolkit: str
    # the class whose methods are the tools
    tools: str
    # the list of tool definitions: names, descriptions and schemas as the actor sees them
    read_only: frozenset[str]
    # tools known not to write: they are given frozen records. Any other tool is run as one that may write
    database_file: str = "db.json.gz"
    # in the domain's own data directory; likewise the next three
    tasks_file: str = "tasks.json"
    splits_file: str = "split_tasks.json"
    policy_file: str = "policy.txt"


RETAIL = Domain(
    name="retail",
    database="retail.data_model:RetailDB",
    toolkit="retail.RetailAgentTools:RetailAgentTools",
    tools="retail.tools:all_retail_tools",
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

AIRLINE = Domain(
    name="airline",
    database="airline.data_model:FlightDB",
    toolkit="airline.AirlineAgentTools:AirlineAgentTools",
    tools="airline.tools:all_airline_tools",
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

DOMAINS = {domain.name: domain for domain in (RETAIL, AIRLINE)}
