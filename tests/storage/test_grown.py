"""Rows of what a tree grows besides plain branches: revised plays, triage, pooled evidence, critiques."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from labeling.records import Conclusions
from rollouts.episode import Review, Revise
from rollouts.tree import Tree
from storage.conversations import ItemConversations, lineage
from storage.objects import open_store
from storage.reader import scan
from storage.rows import Row, tree_tables
from storage.runs import create_run
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.storage.trees import STAMP, episode, finished, labelling, run_record, sample_tree, say, step

REVISED = "t0.s1.a1.c0.r2"


def _tree() -> Tree:
    """The sample, with a play in which the critique of action 1 was delivered."""
    tree = sample_tree()
    critique = Review(draft=say("Shall I just refund it?"), verdict=Revise(feedback="Ask first"), score=0.25)
    first = step(REVISED, 1, say("Is the order #W1 right?"), forced=True, reviews=(critique,))
    made = episode(REVISED, [first, step(REVISED, 2, say("Done."))], finished(1))
    return replace(tree, episodes={**tree.episodes, REVISED: made})


@pytest.fixture(scope="module")
def tables() -> dict[str, list[Row]]:
    tree = _tree()
    return tree_tables(tree, *labelling(tree), STAMP)


def test_a_revised_play_names_the_critique_that_it_began_with(tables: dict[str, list[Row]]) -> None:
    place = ("is_trunk", "parent_path", "fork_step", "action_index", "rollout", "critique_index")
    rows = {row["episode_path"]: tuple(row[name] for name in place) for row in tables["episodes"]}
    assert rows[REVISED] == (False, "t0", 1, 1, 2, 0)
    assert rows["t0.s1.a1.r0"] == (False, "t0", 1, 1, 0, None)
    assert rows["t0"][-1] is None


def test_the_rejected_draft_is_stored_with_the_revision(tables: dict[str, list[Row]]) -> None:
    (row,) = [row for row in tables["steps"] if row["step_path"] == f"{REVISED}.s1"]
    assert (row["forced"], row["num_revise"]) == (True, 1)
    assert "Shall I just refund it?" in str(row["reviews"])
    assert '"score":0.25' in str(row["reviews"])


def test_the_conversation_of_a_revised_play_goes_on_from_its_trunk(tables: dict[str, list[Row]]) -> None:
    assert lineage(REVISED) == [("t0", 0), (REVISED, 1)]
    conversations = ItemConversations(episodes=tables["episodes"], steps=tables["steps"])
    assert conversations.before(REVISED, 1) == conversations.before("t0", 1)
    said = [getattr(message, "text", "") for message in conversations.before(REVISED, 3)]
    assert said[-4:] == ["Is the order #W1 right?", f"answer at {REVISED}.s1", "Done.", f"answer at {REVISED}.s2"]


def test_only_trunks_are_classed_and_all_alike(tables: dict[str, list[Row]]) -> None:
    classes = {row["episode_path"]: row["triage"] for row in tables["episodes"]}
    assert {path: found for path, found in classes.items() if found} == {"t0": "solved", "t1": "solved"}


def test_a_critique_is_a_row_with_its_words_and_its_evidence(tables: dict[str, list[Row]]) -> None:
    rows = tables["critiques"]
    assert [(row["verdict"], row["worth"]) for row in rows] == [
        ("approve", None),
        ("revise", "undecided"),
        (None, None),
    ]
    assert [row["feedback"] for row in rows] == [None, "Ask first — “policy” §3", None]
    assert (rows[1]["delivered_n"], rows[1]["delivered_failures"], rows[1]["uplift_upper"]) == (3, 1, 1.0)


def test_evidence_is_stored_pooled_and_apart() -> None:
    tree = sample_tree()
    said = labelling(tree)
    value = replace(
        said.values[0],
        n=3,
        successes=2.0,
        forced_n=1,
        forced_successes=1.0,
        own_policy_n=2,
        own_policy_successes=1.0,
        free_n=2,
        restart_n=4,
        restart_successes=3.0,
    )
    label = replace(said.labels[0], consensus="disagree", first_error=4)
    tables = tree_tables(tree, [value], [label], [], STAMP)
    names = ("n", "forced_n", "forced_successes", "own_policy_n", "own_policy_successes", "free_n", "restart_n")
    assert [tables["values"][0][name] for name in names] == [3, 1, 1.0, 2, 1.0, 2, 4]
    assert (tables["labels"][0]["consensus"], tables["labels"][0]["first_error"]) == ("disagree", 4)


def test_all_of_it_is_published_verified_and_read(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    create_run(store, run_record(1))
    ParquetSink(store, STAMP, labelling).write(_tree())
    assert verify_run(store, "run-1").problems == ()
    critiques = scan(str(tmp_path), "critiques").collect()
    assert critiques["worth"].to_list() == [None, "undecided", None]
    episodes = scan(str(tmp_path), "episodes").collect()
    assert set(episodes["triage"].to_list()) == {"solved", None}


def test_a_labelling_that_knows_no_critiques_publishes_none(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    create_run(store, run_record(1))
    said = labelling(sample_tree())
    receipt = ParquetSink(store, STAMP, lambda tree: Conclusions(said.values, said.labels)).write(sample_tree())
    assert receipt.rows["critiques"] == 0
    assert scan(str(tmp_path), "critiques").collect().is_empty()
