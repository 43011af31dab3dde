"""The customary shapes of training data: what a row of each says, and that trainers' readers see it so."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest

from labeling.conclude import conclude
from labeling.preferences import preferences
from labeling.records import Conclusions
from labeling.rubric import critic_messages, parse_verdict
from rollouts.episode import Approve, Draft, Revise, Usage, seen_by_actor
from rollouts.errors import UsageError
from rollouts.explore import explore
from rollouts.ledger import Ledger
from rollouts.meter import Meter
from rollouts.play import Player
from rollouts.policies.critiqued import Critiqued
from rollouts.protocols import Cast, Judgement, Question
from rollouts.slots import Slots
from rollouts.tree import Tree
from storage.export import export
from storage.objects import open_store
from storage.writer import ParquetSink
from tests.storage.export.played import (
    BRIEFING,
    POLICY,
    RULE,
    RUN,
    STAMP,
    NamedUser,
    item,
    labelled,
    publish,
)
from tests.toy import SETTINGS, ToyActor, ToyEnvironment, press


def _exported(root: str, fmt: str, tmp_path: Path) -> list[dict[str, Any]]:
    """As `datasets` gives the rows to a trainer."""
    export(root, RUN, fmt=fmt, out=str(tmp_path / fmt))
    opened = datasets.load_dataset(str(tmp_path / fmt), cache_dir=str(tmp_path / "cache"))
    return [row for split in opened.values() for row in split]


def _said(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: cell for name, cell in message.items() if cell is not None} for message in messages]


def _turn(draft: Draft) -> dict[str, Any]:
    calls = [
        {"type": "function", "function": {"name": c.name, "arguments": dict(c.arguments)}} for c in draft.tool_calls
    ]
    return {"role": "assistant", "content": draft.text, **({"tool_calls": calls} if calls else {})}


# -- preferences ------------------------------------------------------------------------------------------------------


def test_every_pair_of_siblings_with_separated_values_is_one_preference(
    root: str, trees: list[Tree], tmp_path: Path
) -> None:
    rows = _exported(root, "actor-preference", tmp_path)
    expected = {
        (tree.item.item_id, found.fork_path, found.chosen_index, found.rejected_index): found
        for tree in trees
        for found in preferences(labelled(tree)[0], RULE)
    }
    assert expected
    places = [(row["item_id"], row["fork_path"], row["chosen_index"], row["rejected_index"]) for row in rows]
    assert sorted(places) == sorted(expected)
    for place, row in zip(places, rows, strict=True):
        assert row["margin"] == expected[place].gain_mean == pytest.approx(row["chosen_mean"] - row["rejected_mean"])
        assert row["margin_lower"] == expected[place].gain_lower > 0
        assert min(row["chosen_n"], row["rejected_n"]) > 0


def test_a_preference_is_a_conversation_with_tools_and_two_answers(
    root: str, trees: list[Tree], tmp_path: Path
) -> None:
    for row in _exported(root, "actor-preference", tmp_path):
        fork = next(tree for tree in trees if tree.item.item_id == row["item_id"]).forks[row["fork_path"]]
        system, opening, *later = _said(row["prompt"])
        assert system == {"role": "system", "content": BRIEFING.policy}
        assert opening == {"role": "user", "content": f"Hello, I come for {row['task_id']}."}
        assert [message["role"] for message in later] == ["assistant", "tool"] * fork.step
        assert _said(row["chosen"]) == [_turn(fork.actions[row["chosen_index"]].draft)]
        assert _said(row["rejected"]) == [_turn(fork.actions[row["rejected_index"]].draft)]
        [tool] = row["tools"]
        assert (tool["type"], tool["function"]["name"]) == ("function", "press")
        assert tool["function"]["parameters"] == BRIEFING.tools[0].parameters


# -- process supervision ----------------------------------------------------------------------------------------------


def test_every_decided_step_of_a_forked_episode_is_in_one_series_with_its_label(
    root: str, trees: list[Tree], tmp_path: Path
) -> None:
    rows = _exported(root, "prm-stepwise", tmp_path)
    told = {
        (row["item_id"], row["episode_path"], row["first_step"] + index): right
        for row in rows
        for index, right in enumerate(row["labels"])
    }
    expected = {
        (tree.item.item_id, label.episode_path, label.step): label.label == "approve"
        for tree in trees
        for label in labelled(tree)[1]
        if label.action_index == 0 and label.label != "abstain"
    }
    assert told == expected
    assert set(expected.values()) == {False, True}
    assert sum(len(row["labels"]) for row in rows) == len(expected)
    assert any(len(row["labels"]) > 1 for row in rows)


def test_prompt_and_completions_together_are_what_the_actor_saw_and_did(
    root: str, trees: list[Tree], tmp_path: Path
) -> None:
    for row in _exported(root, "prm-stepwise", tmp_path):
        assert len(row["completions"]) == len(row["labels"])
        tree = next(tree for tree in trees if tree.item.item_id == row["item_id"])
        trunk = tree.episodes[row["episode_path"]]
        policy, tools, *lines = "\n".join([row["prompt"], *row["completions"]]).split("\n")
        assert policy == BRIEFING.policy
        assert json.loads(tools)["function"]["name"] == "press"
        last = row["first_step"] + len(row["labels"]) - 1
        shown = seen_by_actor((*trunk.opening, *(message for step in trunk.steps[:last] for message in step.added)))
        assert len(lines) == len(shown) + 1
        actions = [trunk.steps[row["first_step"] + index].action for index in range(len(row["labels"]))]
        assert [json.loads(text.split("\n")[-1])["role"] for text in row["completions"]] == ["assistant"] * len(actions)
        for text, action in zip(row["completions"], actions, strict=True):
            told = json.loads(text.split("\n")[-1])
            names = [json.loads(call["function"]["arguments"]) for call in told.get("tool_calls", ())]
            assert names == [dict(call.arguments) for call in action.tool_calls]


def test_the_first_error_cuts_a_series_where_the_first_wrong_step_is(root: str, tmp_path: Path) -> None:
    for row in _exported(root, "prm-stepwise", tmp_path):
        if row["first_error"] is None:
            assert all(row["labels"])
        else:
            kept = row["labels"][: max(row["first_error"] - row["first_step"] + 1, 0)]
            assert False not in kept[:-1]


# -- critiques --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pointing:
    """Says to every press but the right one what to press."""

    harmful: bool = False

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [self._judgement(question.draft) for question in questions]

    def _judgement(self, draft: Draft) -> Judgement:
        good = not draft.tool_calls or draft.tool_calls == press("right").tool_calls
        return Judgement(verdict=Approve() if good else Revise(feedback="Press the right one."), usage=Usage())


def _critiqued(index: int) -> Tree:
    made = item(index)
    player = Player(
        ToyEnvironment(),
        task=made.task,
        cast=Cast(actor=ToyActor(skill=0.8), user=NamedUser(made.task.task_id), critic=_Pointing()),
        seed=made.seed,
        settings=SETTINGS,
        meter=Meter(),
        clock=lambda: 0.0,
        ledger=Ledger(),
    )
    policy = Critiqued(policy=POLICY, rollouts=16)
    return asyncio.run(explore(made, player, policy=policy, meter=Meter(), slots=Slots(64)))


def _concluded(tree: Tree) -> Conclusions:
    return conclude(tree, level=0.8, rule=RULE, uplift_level=0.9)


def test_a_critique_that_surely_helped_or_harmed_is_one_example(tmp_path: Path) -> None:
    trees = [_critiqued(index) for index in range(4)]
    place, stamp = str(tmp_path / "run"), replace(STAMP, critic="scripted:pointing")
    publish(open_store(place), [], unplayed=[tree.item for tree in trees])
    for tree in trees:
        ParquetSink(open_store(place), stamp, _concluded).write(tree)
    rows = _exported(place, "critic-kto", tmp_path)
    decided = {
        (tree.item.item_id, critique.fork_path, critique.action_index): critique
        for tree in trees
        for critique in _concluded(tree).critiques
        if critique.worth in ("helpful", "harmful")
    }
    assert rows
    assert {(row["item_id"], row["fork_path"], row["action_index"]) for row in rows} == decided.keys()
    for row in rows:
        critique = decided[row["item_id"], row["fork_path"], row["action_index"]]
        assert row["label"] == (critique.worth == "helpful")
        assert row["critic"] == "scripted:pointing"
        [answer] = row["completion"]
        assert (answer["role"], parse_verdict(answer["content"])) == ("assistant", critique.verdict)
        assert [message["role"] for message in row["prompt"]] == ["system", "user"]
        assert (
            row["prompt"][0]
            == critic_messages(Question(conversation=(), briefing=BRIEFING, draft=critique.action, seed=0))[0]
        )
        assert row["uplift_lower"] == critique.uplift_lower
    agreed = pl.DataFrame(_exported(place, "critic-sft", tmp_path))
    assert set(agreed.filter(pl.col("label") == "revise")["consensus"]) == {"agree"}


def test_a_run_without_critiques_has_nothing_to_export_of_them(root: str, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"nothing to export as critic-kto: it has 0 published rows in table critiques"
    ):
        export(root, RUN, fmt="critic-kto", out=str(tmp_path / "out"))
