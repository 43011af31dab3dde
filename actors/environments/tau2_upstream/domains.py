"""Upstream's domains: those of inspect-evals, under upstream's file names and with what upstream has added since."""

from __future__ import annotations

from dataclasses import replace

from actors.environments.tau2 import domains as packaged

_SHOP = packaged.RETAIL.toolkits["actor"]

RETAIL = replace(
    packaged.RETAIL,
    databases={"retail": "db.json"},
    data_hash="",
    toolkits={"actor": replace(_SHOP, read_only=_SHOP.read_only | {"get_item_details"})},
    policy_files={"": "policy.md"},
    guidelines_file="simulation_guidelines.md",
)

AIRLINE = replace(RETAIL, name="airline", databases={"airline": "db.json"}, toolkits=packaged.AIRLINE.toolkits)

TELECOM = replace(
    packaged.TELECOM,
    data_hash="",
    databases={"telecom": "db.toml", "user": "user_db.toml"},
    tasks_file="tasks.json",
    policy_files={"main_policy": "main_policy.md", "tech_support_policy": "tech_support_manual.md"},
    guidelines_file="simulation_guidelines_tools.md",
)

_BANK, _CUSTOMER = packaged.BANKING_KNOWLEDGE.toolkits["actor"], packaged.BANKING_KNOWLEDGE.toolkits["user"]

BANKING_KNOWLEDGE = replace(
    packaged.BANKING_KNOWLEDGE,
    data_hash="",
    databases={"banking": "db.json"},
    toolkits={
        "actor": replace(
            _BANK,
            memory=("_agent_discoverable_tools_state", "_user_discoverable_tools_state", "_read_log_allowlist"),
        ),
        "user": _CUSTOMER,
    },
    # what upstream's own loader reads; its tasks.json differs from them
    tasks_file="tasks/task_*.json",
    knowledge_files=("documents/*.json",),
    guidelines_file="simulation_guidelines_tools.md",
)

DOMAINS = {domain.name: domain for domain in (RETAIL, AIRLINE, TELECOM, BANKING_KNOWLEDGE)}
