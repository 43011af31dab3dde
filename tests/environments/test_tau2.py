"""What a τ² environment tells of itself, and what its tools answer."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from actors.environments.tau2 import upstream
from actors.environments.tau2.domains import DOMAINS, RETAIL
from actors.environments.tau2.upstream import Source
from rollouts.episode import JsonValue, Side, StopReason, ToolKind, ToolSpec
from rollouts.errors import DataError, UsageError
from rollouts.protocols import Transition
from tests.environments.plans import call, gold_calls

pytestmark = pytest.mark.tau2

SIZES = {
    "retail": {"train": 74, "test": 40, "base": 114},
    "airline": {"train": 30, "test": 20, "base": 50},
    "telecom": {"train": 74, "test": 40, "base": 114},
}
TOOLS = {"retail": (15, 0), "airline": (14, 0), "telecom": (13, 30), "banking_knowledge": (15, 6)}
# of the actor and of the user


@pytest.mark.parametrize("domain", SIZES)
def test_the_official_splits_are_disjoint_and_make_up_the_base(domain: str) -> None:
    environment = registered("tau2", domain)
    ids = {split: [task.task_id for task in environment.tasks(split)] for split in SIZES[domain]}
    assert {split: len(found) for split, found in ids.items()} == SIZES[domain]
    assert not set(ids["train"]) & set(ids["test"])
    assert sorted(ids["train"] + ids["test"]) == sorted(ids["base"])


def test_a_benchmark_without_splits_is_all_base() -> None:
    environment = registered("tau2", "banking_knowledge")
    assert len(environment.tasks("base")) == 97
    assert {task.split for task in environment.tasks("base")} == {"base"}
    with pytest.raises(UsageError, match="'test': it must be one of 'base'"):
        environment.tasks("test")


def test_the_test_tasks_of_telecom_say_so_in_whatever_split_they_are_met() -> None:
    environment = registered("tau2", "telecom")
    full = {task.task_id: task.split for task in environment.tasks("full")}
    assert len(full) == 2285
    assert {task.task_id for task in environment.tasks("test")} == {i for i, split in full.items() if split == "test"}
    assert set(full.values()) == {"train", "test", "small", "full"}


def test_a_task_of_the_base_says_which_split_it_belongs_to() -> None:
    environment = registered("tau2", "retail")
    base = {task.task_id: task for task in environment.tasks("base")}
    assert {task.split for task in base.values()} == {"train", "test"}
    assert [base[task.task_id] for task in environment.tasks("test")] == environment.tasks("test")


def test_a_tasks_data_is_the_packages_record_and_nothing_else() -> None:
    task = registered("tau2", "airline").tasks("train")[0]
    assert set(task.data) >= {"id", "user_scenario", "evaluation_criteria"}
    assert json.loads(json.dumps(task.data)) == task.data


def test_the_domains_differ_in_their_provenance_by_the_data_only() -> None:
    retail, airline = (registered("tau2", domain).provenance for domain in ("retail", "airline"))
    assert (retail.source, retail.version) == (airline.source, airline.version) == ("inspect-evals", "0.26.0")
    assert len(retail.data_hash) == len(airline.data_hash) == 64
    assert retail.data_hash != airline.data_hash


def test_every_tool_says_whether_it_reads_or_writes() -> None:
    kinds: dict[str, ToolKind] = {}
    for name, domain in DOMAINS.items():
        environment = registered("tau2", name)
        briefing = environment.briefing(environment.tasks("base")[0])
        assert (len(briefing.tools), len(briefing.user_tools)) == TOOLS[name]
        sides: dict[Side, tuple[ToolSpec, ...]] = {"actor": briefing.tools, "user": briefing.user_tools}
        for side, toolkit in domain.toolkits.items():
            assert {tool.name for tool in sides[side] if tool.kind == "read"} == toolkit.read_only
            kinds |= {tool.name: tool.kind for tool in sides[side]}
    assert kinds["calculate"] == "other"
    assert kinds["transfer_to_human_agents"] == "transfer"
    assert kinds["make_payment"] == kinds["call_discoverable_agent_tool"] == "write"
    assert {kind for name, kind in kinds.items() if name.startswith(("get_", "find_", "list_", "search_"))} == {"read"}
    assert {
        kind for name, kind in kinds.items() if name.startswith(("modify_", "cancel_", "book_", "update_", "send_"))
    } == {"write"}


def test_the_user_is_told_the_scenario_and_the_actor_is_not() -> None:
    environment = registered("tau2", "airline")
    task = environment.tasks("train")[0]
    scenario: Any = task.data["user_scenario"]
    briefing = environment.briefing(task)
    assert scenario["instructions"]["known_info"].splitlines()[0] in briefing.user_instructions
    assert "###STOP###" in briefing.user_instructions
    assert scenario["instructions"]["known_info"].splitlines()[0] not in briefing.policy


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("Thank you! ###STOP###", StopReason.USER_STOP),
        ("###TRANSFER###", StopReason.TRANSFER),
        ("I cannot say. ###OUT-OF-SCOPE###", StopReason.USER_STOP),
        ("###stop###", None),
        ("", None),
    ],
)
def test_the_users_stop_tokens_end_an_episode(text: str, stop: StopReason | None) -> None:
    assert registered("tau2", "retail").user_stop(text) is stop


def _damaged(tmp_path: Path, damage: Callable[[bytes], bytes]) -> Source:
    """A copy of the package's data in which retail's database is not what it was."""
    source = upstream.installed()
    data = shutil.copytree(source.data, tmp_path / "data", ignore=shutil.ignore_patterns("telecom", "banking*"))
    database = data / "domains" / "retail" / "db.json.gz"
    database.write_bytes(damage(database.read_bytes()))
    return replace(source, data=data)


def test_damaged_data_is_refused_with_both_hashes(tmp_path: Path) -> None:
    other = gzip.compress(b"{}")
    with pytest.raises(DataError, match=r"retail .* is damaged: its SHA-256 should be cc69.*, but is .*; reinstall it"):
        upstream.files(RETAIL, _damaged(tmp_path, lambda raw: other))


@pytest.mark.parametrize("keep", [0, 10, 1_000])
def test_data_cut_short_is_refused_by_its_name(tmp_path: Path, keep: int) -> None:
    source = _damaged(tmp_path, lambda raw: raw[:keep])
    with pytest.raises(DataError, match=r"db\.json\.gz is damaged: .*; reinstall it"):
        upstream.contents(RETAIL, source)


# -- tools ------------------------------------------------------------------------------------------------------------


def _answer(name: str, arguments: dict[str, JsonValue], *, domain: str = "retail") -> Transition[Any]:
    environment = registered("tau2", domain)
    return environment.apply(environment.initial(environment.tasks("train")[0]), call(name, arguments))


def test_a_transfer_is_answered_and_leaves_the_end_to_the_user() -> None:
    transition = _answer("transfer_to_human_agents", {"summary": "The user wants a human agent."})
    assert (transition.content, transition.is_error, transition.stop) == ("Transfer successful", False, None)


def test_calculations_are_done() -> None:
    assert _answer("calculate", {"expression": "(150.5 - 50) * 2"}).content == "201.0"


@pytest.mark.parametrize(
    "expression",
    ["9**9**9", "9" * 5_000, "(" * 4_000, "1/0", "1(2)", "__import__('os')", "", 7, None, ["1", "+", "1"]],
)
def test_a_calculation_that_would_never_end_or_makes_no_sense_is_refused(expression: JsonValue) -> None:
    transition = _answer("calculate", {"expression": expression})
    assert transition.is_error
    assert transition.content.startswith("Error: ")


def test_arguments_nested_without_end_are_refused() -> None:
    nested: JsonValue = []
    for _ in range(400):
        nested = [nested]
    transition = _answer(
        "update_reservation_passengers", {"reservation_id": "x", "passengers": nested}, domain="airline"
    )
    assert "nested more than 32 levels" in transition.content


def test_what_a_refused_call_had_changed_already_stays_changed() -> None:
    """Upstream stores the number of bags as it is given, and then cannot serialise this one for its answer."""
    before, after = _with_baggages("\ud800")
    assert after.is_error
    assert registered("tau2", "airline").key(after.state) != registered("tau2", "airline").key(before)


def test_a_value_of_a_wrong_type_that_upstream_stores_survives_storage() -> None:
    environment = registered("tau2", "airline")
    before, after = _with_baggages({"\x00": "User", "name": ["\ud800", 1.5, None]})
    stored = environment.load(environment.dump(after.state))
    assert environment.key(stored) == environment.key(after.state) != environment.key(before)


def _with_baggages(total: JsonValue) -> tuple[Any, Transition[Any]]:
    """The start of an airline task, and the transition by its gold update of baggage with another number of bags."""
    environment = registered("tau2", "airline")
    task = next(task for task in environment.tasks("train") if task.task_id == "12")
    gold = next(made for made in gold_calls(task) if made.name == "update_reservation_baggages")
    state = environment.initial(task)
    return state, environment.apply(state, call(gold.name, {**gold.arguments, "total_baggages": total}))


def test_states_that_hold_the_same_are_stored_the_same_whatever_the_order_of_the_writes() -> None:
    environment = registered("tau2", "retail")
    task = next(task for task in environment.tasks("train") if task.task_id == "113")
    writes = [made for made in gold_calls(task) if made.name == "cancel_pending_order"]
    ends = []
    for order in (writes, writes[::-1]):
        state = environment.initial(task)
        for made in order:
            state = environment.apply(state, made).state
        ends.append(state)
    one, other = ends
    assert len(writes) == 2
    assert environment.key(one) == environment.key(other)
    assert environment.dump(one) == environment.dump(other)


# -- storage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b"{}", b'{"image": "0", "task": "0", "tables": {}}'])
def test_what_is_no_state_of_this_domain_is_refused(damage: bytes) -> None:
    with pytest.raises(DataError, match="not a state of tau2 retail"):
        registered("tau2", "retail").load(damage)


def test_a_stored_state_makes_no_class_but_the_databases_own() -> None:
    environment = registered("tau2", "retail")
    state = environment.initial(environment.tasks("train")[0])
    stored = json.loads(environment.dump(state))
    stored["tables"] = {"users": {"records": {"x": {"\x00": "Popen", "args": "true"}}, "appended": ["x"]}}
    with pytest.raises(DataError, match="Popen"):
        environment.load(json.dumps(stored).encode())


def test_a_state_of_another_domain_is_refused() -> None:
    retail, airline = registered("tau2", "retail"), registered("tau2", "airline")
    with pytest.raises(DataError, match="not a state of tau2 airline"):
        airline.load(retail.dump(retail.initial(retail.tasks("train")[0])))


def test_the_splits_are_named_to_whoever_asks_for_another() -> None:
    with pytest.raises(UsageError, match="'train', 'test', 'base'; did you mean 'train'"):
        registered("tau2", "retail").tasks("trian")
