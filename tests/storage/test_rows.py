from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rollouts.episode import Spend
from rollouts.tree import path_order
from storage.rows import Row, tree_tables
from storage.schema import SCHEMAS, TABLES
from tests.storage.trees import STAMP, labelling, sample_tree


@pytest.fixture(scope="module")
def tables() -> dict[str, list[Row]]:
    tree = sample_tree()
    return tree_tables(tree, *labelling(tree), STAMP)


def test_every_row_has_exactly_its_tables_columns(tables: dict[str, list[Row]]) -> None:
    assert set(tables) == set(TABLES)
    for table, rows in tables.items():
        assert rows
        for row in rows:
            assert set(row) == set(SCHEMAS[table].names)


def test_every_row_says_what_made_it(tables: dict[str, list[Row]]) -> None:
    for row in (row for rows in tables.values() for row in rows):
        assert (row["run_id"], row["domain"], row["split"], row["task_id"]) == ("run-1", "retail", "train", "task-0")
        assert (row["env_source"], row["env_version"], row["env_data_hash"]) == ("made-by-hand", "1", "abc")
        assert (row["actor"], row["user"], row["seed"]) == ("scripted/1", "scripted/1", 7)
        assert (row["critic"], row["judge"]) == ("none", "none")


def test_a_branch_names_its_parent_and_its_fork(tables: dict[str, list[Row]]) -> None:
    place = ("is_trunk", "parent_path", "fork_step", "action_index", "rollout")
    rows = {row["episode_path"]: tuple(row[name] for name in place) for row in tables["episodes"]}
    assert rows["t0"] == (True, None, None, None, None)
    assert rows["t0.s1.a1.r0"] == (False, "t0", 1, 1, 0)
    assert rows["t0.s1.a1.r0.s2.a1.r0"] == (False, "t0.s1.a1.r0", 2, 1, 0)


def test_what_is_not_known_is_null_and_never_zero(tables: dict[str, list[Row]]) -> None:
    rows = {row["episode_path"]: row for row in tables["episodes"]}
    failed, truncated = rows["t0.s1.a1.r1"], rows["t1"]
    assert (failed["outcome"], failed["failure_kind"], failed["stop_reason"]) == ("failed", "timeout", None)
    assert (truncated["outcome"], truncated["stop_reason"], truncated["terminated"]) == ("finished", "budget", False)
    for row in (failed, truncated):
        assert row["return"] is row["success"] is row["reward_parts"] is None


def test_a_return_of_zero_is_a_return(tables: dict[str, list[Row]]) -> None:
    (row,) = [row for row in tables["episodes"] if row["episode_path"] == "t0.s1.a0.r0"]
    assert (row["return"], row["success"], row["terminated"]) == (0.0, False, True)
    assert row["reward_basis"] == ["DB", "COMMUNICATE", "NL"]
    assert row["reward_parts"] == [{"name": "COMMUNICATE", "value": 1.0}, {"name": "DB", "value": 0.0}]
    assert row["not_evaluated"] == ["NL"]


def test_a_step_holds_its_reviews_and_what_it_added(tables: dict[str, list[Row]]) -> None:
    steps = {row["step_path"]: row for row in tables["steps"]}
    row = steps["t0.s1"]
    verdicts = [review["verdict"] for review in json.loads(str(row["reviews"]))]
    assert verdicts == [{"decision": "revise", "feedback": "Ask first — “policy” §3"}, {"decision": "approve"}, None]
    assert (row["num_revise"], row["fork_draws"], row["tool_names"]) == (1, 3, [])
    assert [message["role"] for message in json.loads(str(row["added"]))] == ["assistant", "user"]
    assert steps["t0.s0"]["fork_draws"] is steps["t0.s0"]["fork_spend"] is None
    assert steps["t0.s1.a1.r0.s2"]["num_tool_errors"] == 1
    assert steps["t0.s1.a1.r0.s2"]["tool_names"] == ["refused"]


def test_spend_of_episodes_and_forks_adds_up_to_the_trees(tables: dict[str, list[Row]]) -> None:
    calls = sum(int(str(row["actor_calls"])) for row in tables["episodes"])
    drawn = [row["fork_spend"] for row in tables["steps"] if isinstance(row["fork_spend"], dict)]
    assert calls + sum(spend["actor_calls"] for spend in drawn) == sample_tree().spend.actor_calls


def test_a_judges_identity_and_calls_are_told() -> None:
    tree = sample_tree()
    t0 = replace(tree.episodes["t0"], spend=Spend(actor_calls=2, judge_calls=1))
    judged = replace(tree, episodes={**tree.episodes, "t0": t0})
    rows = tree_tables(judged, *labelling(tree), replace(STAMP, judge="chat:m"))
    assert {row["judge"] for table in rows.values() for row in table} == {"chat:m"}
    assert {row["episode_path"]: row["judge_calls"] for row in rows["episodes"]}["t0"] == 1
    assert judged.spend.judge_calls == sum(int(str(row["judge_calls"])) for row in rows["episodes"])


def test_rows_come_in_path_order(tables: dict[str, list[Row]]) -> None:
    paths = [str(row["episode_path"]) for row in tables["episodes"]]
    assert paths == sorted(paths, key=path_order)
    forks = [str(row["fork_path"]) for row in tables["values"]]
    assert forks == sorted(forks, key=path_order)


def test_a_label_carries_the_action_it_is_about(tables: dict[str, list[Row]]) -> None:
    actions = {(row["fork_path"], row["action_index"]): row["action"] for row in tables["values"]}
    for row in tables["labels"]:
        assert row["action"] == actions[row["fork_path"], row["action_index"]]
        assert row["is_trunk_action"] == (row["action_index"] == 0)


def test_text_that_utf8_cannot_hold_is_mended_in_every_column(tables: dict[str, list[Row]]) -> None:
    (row,) = [row for row in tables["episodes"] if row["failure_message"]]
    assert row["failure_message"] == "no answer in 600 s \ufffd"


def test_a_label_without_a_value_is_a_bug_that_travels_up() -> None:
    tree = sample_tree()
    labels = labelling(tree).labels
    with pytest.raises(KeyError, match=r"t0\.s1"):
        tree_tables(tree, [], labels, [], STAMP)
