"""From a played run to a dataset that a trainer opens."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import datasets
import polars as pl
import pytest

from labeling.rubric import RUBRIC_VERSION, critic_messages, parse_verdict
from rollouts.episode import Approve, Revise
from rollouts.errors import DataError, UsageError
from rollouts.protocols import Question
from rollouts.tree import Tree
from storage.collect import GRACE_S, collect_garbage, store_time
from storage.compaction import compact
from storage.content_hash import content_hash
from storage.export import FORMATS, export
from storage.markers import combined_hashes, read_markers
from storage.objects import open_store
from storage.reader import conversation, live_parts, scan
from tests.s3_server import S3Place
from tests.storage.export.played import BRIEFING, RUN, STAMP, TASKS, item, labelled, play, publish

PLAYED_FORMATS = sorted(set(FORMATS) - {"critic-kto"})
# those that a run without a critic has rows for


def _rows(out: Path, split: str = "*") -> list[dict[str, Any]]:
    return pl.concat(pl.read_parquet(file) for file in sorted(out.glob(f"data/{split}-*.parquet"))).to_dicts()


def _tree(trees: list[Tree], row: dict[str, Any]) -> Tree:
    return next(tree for tree in trees if tree.item.item_id == row["item_id"])


# -- what the rows say ------------------------------------------------------------------------------------------------


def test_each_decided_label_is_one_example_with_its_verdict(root: str, trees: list[Tree], tmp_path: Path) -> None:
    report = export(root, RUN, fmt="critic-sft", out=str(tmp_path / "out"))
    labels = [(tree.item.item_id, label) for tree in trees for label in labelled(tree)[1]]
    decided = {(i, label.fork_path, label.action_index): label for i, label in labels if label.label != "abstain"}
    rows = _rows(tmp_path / "out")
    assert {(row["item_id"], row["fork_path"], row["action_index"]) for row in rows} == decided.keys()
    assert (sum(report.rows.values()), report.left_out) == (len(decided), len(labels) - len(decided))
    assert report.left_out > 0
    for row in rows:
        label = decided[row["item_id"], row["fork_path"], row["action_index"]]
        assert (row["label"], row["reason"], row["gain_mean"]) == (label.label, label.reason, label.gain_mean)
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
        expected = {"approve": Approve, "revise": Revise}[label.label]
        assert isinstance(parse_verdict(row["messages"][-1]["content"]), expected)
        assert row["feedback_source"] == ("template-1" if label.label == "revise" else None)
        assert (row["labeler"], row["rubric_version"], row["domain"]) == (label.labeler, RUBRIC_VERSION, "toy")


@pytest.mark.parametrize("fmt", ["critic-sft", "values"])
def test_the_question_is_the_one_that_serving_would_ask(root: str, trees: list[Tree], tmp_path: Path, fmt: str) -> None:
    export(root, RUN, fmt=fmt, out=str(tmp_path / "out"))
    rows = _rows(tmp_path / "out")
    assert len(rows) > TASKS
    for row in rows:
        fork = _tree(trees, row).forks[row["fork_path"]]
        said = conversation(root, RUN, fork.episode_path, item_id=row["item_id"], upto_step=fork.step)
        draft = fork.actions[row["action_index"]].draft
        asked = Question(conversation=said, briefing=BRIEFING, draft=draft, seed=9)
        assert row["messages"][:2] == critic_messages(asked)


def test_each_measured_action_is_one_value(root: str, trees: list[Tree], tmp_path: Path) -> None:
    export(root, RUN, fmt="values", out=str(tmp_path / "out"))
    values = {
        (tree.item.item_id, value.fork_path, value.action_index): value for tree in trees for value in labelled(tree)[0]
    }
    rows = _rows(tmp_path / "out")
    assert {(row["item_id"], row["fork_path"], row["action_index"]) for row in rows} == values.keys()
    for row in rows:
        value = values[row["item_id"], row["fork_path"], row["action_index"]]
        for name in ("n", "successes", "mean", "lower", "upper", "level", "origin", "multiplicity"):
            assert row[name] == getattr(value, name)
        assert row["is_trunk_action"] == (value.action_index == 0)
        assert row["messages"][-1]["content"].endswith(f"<draft>\n{row['action']}\n</draft>")


@pytest.mark.parametrize("fmt", PLAYED_FORMATS)
def test_a_compacted_run_exports_the_same_files(root: str, tmp_path: Path, fmt: str) -> None:
    copy = str(shutil.copytree(root, tmp_path / "copy"))
    compact(open_store(copy), RUN)
    store = open_store(copy)
    collect_garbage(store, now=store_time(store) + 2 * GRACE_S)
    for place, out in ((root, "before"), (copy, "after")):
        export(place, RUN, fmt=fmt, out=str(tmp_path / out))
    before, after = (
        {path.relative_to(tmp_path / out): path.read_bytes() for path in (tmp_path / out).rglob("*") if path.is_file()}
        for out in ("before", "after")
    )
    assert before == after


def test_equal_questions_with_equal_answers_are_one_row(tmp_path: Path) -> None:
    trees = [replace(play(item(0)), item=item(index)) for index in range(3)]
    publish(open_store(str(tmp_path / "run")), trees)
    report = export(str(tmp_path / "run"), RUN, fmt="critic-sft", out=str(tmp_path / "out"))
    [rows] = report.rows.values()
    assert report.duplicates == 2 * rows
    assert len(_rows(tmp_path / "out")) == rows


# -- splits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_no_task_is_in_two_splits(root: str, tmp_path: Path, seed: int) -> None:
    report = export(root, RUN, fmt="values", out=str(tmp_path / "out"), seed=seed, validation_share=0.3)
    tasks = {split: {row["task_id"] for row in _rows(tmp_path / "out", split)} for split in ("train", "validation")}
    assert not tasks["train"] & tasks["validation"]
    assert {split: len(found) for split, found in tasks.items()} == report.tasks
    assert len(tasks["train"] | tasks["validation"]) == TASKS


def test_without_a_share_nothing_is_held_out(root: str, tmp_path: Path) -> None:
    report = export(root, RUN, fmt="values", out=str(tmp_path / "out"), validation_share=0)
    assert report.rows.keys() == {"train"}
    assert datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache")).keys() == {"train"}


def test_rows_of_a_test_split_are_refused(tmp_path: Path) -> None:
    publish(open_store(str(tmp_path / "run")), [play(item(0)), play(item(1, split="test"))])
    with pytest.raises(UsageError, match=r"1 tasks of the benchmark's test split \(such as toy task-1\)"):
        export(str(tmp_path / "run"), RUN, fmt="values", out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


# -- what is written --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", PLAYED_FORMATS)
def test_datasets_opens_it_by_folder_and_by_file(root: str, tmp_path: Path, fmt: str) -> None:
    report = export(root, RUN, fmt=fmt, out=str(tmp_path / "out"))
    cache = str(tmp_path / "cache")
    by_folder = datasets.load_dataset(str(tmp_path / "out"), cache_dir=cache)
    files = {split: str(tmp_path / "out" / f"data/{split}-00000.parquet") for split in report.rows}
    by_file = datasets.load_dataset("parquet", data_files=files, cache_dir=cache)
    for found in (by_folder, by_file):
        assert {split: len(rows) for split, rows in found.items()} == report.rows
        assert found["train"].column_names == FORMATS[fmt].schema.names
        assert found["train"].features == found["validation"].features


@pytest.mark.parametrize("fmt", PLAYED_FORMATS)
def test_the_same_export_has_the_same_bytes_anywhere(root: str, tmp_path: Path, fmt: str) -> None:
    for place in ("a", "b/c"):
        export(root, RUN, fmt=fmt, out=str(tmp_path / place))
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert [str(path) for path in files] == [
        "README.md",
        "data/train-00000.parquet",
        "data/validation-00000.parquet",
        "manifest.json",
    ]
    for path in files:
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / "c" / path).read_bytes()


def test_exporting_again_says_that_it_is_there(root: str, tmp_path: Path) -> None:
    first = export(root, RUN, fmt="values", out=str(tmp_path / "out"))
    again = export(root, RUN, fmt="values", out=str(tmp_path / "out"))
    assert (first.created, again.created) == (True, False)
    assert again == replace(first, created=False)


def test_another_export_in_the_same_place_is_refused(root: str, tmp_path: Path) -> None:
    export(root, RUN, fmt="values", out=str(tmp_path / "out"))
    with pytest.raises(UsageError, match="these differ: files, settings, splits"):
        export(root, RUN, fmt="values", out=str(tmp_path / "out"), seed=1, validation_share=0.5)


def test_the_manifest_accounts_for_every_file_and_where_it_came_from(root: str, tmp_path: Path) -> None:
    report = export(root, RUN, fmt="critic-sft", out=str(tmp_path / "out"), name="A set")
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    for file in manifest["files"]:
        data = (tmp_path / "out" / file["path"]).read_bytes()
        assert (file["sha256"], file["num_bytes"]) == (sha256(data).hexdigest(), len(data))
    on_disk = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert on_disk == {"manifest.json", *(file["path"] for file in manifest["files"])}
    run_hash = content_hash(combined_hashes(read_markers(open_store(root), RUN)))
    assert (manifest["lineage"]["run_id"], manifest["lineage"]["content_hash"]) == (RUN, run_hash)
    assert manifest["config"] == {"run": {"seed": 3}}
    assert manifest["settings"]["name"] == "A set"
    assert [column["name"] for column in manifest["schema"]] == FORMATS["critic-sft"].schema.names
    assert sum(file["num_rows"] or 0 for file in manifest["files"]) == sum(report.rows.values())


def test_the_card_says_what_it_is_and_who_played(root: str, tmp_path: Path) -> None:
    report = export(root, RUN, fmt="critic-sft", out=str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    labels = scan(root, "labels", run_id=RUN).collect()
    abstained = labels.filter(pl.col("label") == "abstain").height
    assert f"{abstained} ({abstained / labels.height:.1%}) are left out (the label abstains" in card
    assert f"| train | {report.tasks['train']} | {report.rows['train']} |" in card
    assert "**Played by scripted stand-ins, not by models: actor.**" in card
    assert "6 of 6 planned tasks' trees were published when this was made\n" in card
    assert "Text written by `chat:a-model` is under the terms of the models' providers" in card
    assert "The licence of `toy` is not known to treeroll" in card
    assert str(tmp_path) not in card


def test_a_run_played_by_models_is_not_called_a_stand_in(trees: list[Tree], tmp_path: Path) -> None:
    publish(open_store(str(tmp_path / "run")), trees[:1], stamp=replace(STAMP, actor="chat:another-model"))
    export(str(tmp_path / "run"), RUN, fmt="values", out=str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "stand-in" not in card
    assert "`chat:a-model`, `chat:another-model`" in card


def test_of_an_unfinished_run_what_is_published_is_exported_and_the_card_says_so(
    trees: list[Tree], tmp_path: Path
) -> None:
    publish(open_store(str(tmp_path / "run")), trees[:2], unplayed=[item(7), item(8), item(9)])
    report = export(str(tmp_path / "run"), RUN, fmt="values", out=str(tmp_path / "out"))
    assert (report.items_settled, report.items_planned) == (2, 5)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "2 of 5 planned tasks' trees were published when this was made: **the run was not finished**" in card


# -- what is refused --------------------------------------------------------------------------------------------------


def test_a_format_that_does_not_exist_is_refused_by_name(root: str, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError,
        match=r"no export format 'sft'; the formats are actor-preference, critic-kto, critic-sft, prm-stepwise, values",
    ):
        export(root, RUN, fmt="sft", out=str(tmp_path / "out"))


def test_a_run_without_usable_rows_is_refused_with_the_reason(tmp_path: Path) -> None:
    publish(open_store(str(tmp_path / "run")), [play(item(0), skill=0.0)])
    with pytest.raises(UsageError, match=r"nothing to export as critic-sft: .* none is usable \(the label abstains"):
        export(str(tmp_path / "run"), RUN, fmt="critic-sft", out=str(tmp_path / "out"))
    publish(open_store(str(tmp_path / "none")), [], unplayed=[item(1)])
    with pytest.raises(UsageError, match="it has 0 published rows in table values"):
        export(str(tmp_path / "none"), RUN, fmt="values", out=str(tmp_path / "out"))


def test_a_corrupted_part_is_named_and_nothing_is_published(trees: list[Tree], tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "run"))
    publish(store, trees[:1])
    [part] = live_parts(store, RUN, "steps")
    data = store.get(part.key)
    store.put(part.key, data[:-9] + b"?" + data[-8:])
    with pytest.raises(DataError, match=f"part {part.key} is corrupted"):
        export(str(tmp_path / "run"), RUN, fmt="values", out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_endpoint_without_a_place_on_s3_is_refused(root: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no effect"):
        export(root, RUN, fmt="values", out=str(tmp_path / "out"), endpoint_url="http://127.0.0.1:1")


# -- an object store --------------------------------------------------------------------------------------------------


@pytest.mark.s3
def test_run_and_dataset_may_lie_on_s3(root: str, trees: list[Tree], tmp_path: Path, s3_place: S3Place) -> None:
    remote, endpoint_url = f"{s3_place.root}/runs", s3_place.endpoint_url
    publish(open_store(remote, endpoint_url=endpoint_url), trees)
    export(root, RUN, fmt="values", out=str(tmp_path / "local"))
    target = f"{s3_place.root}/dataset"
    for source, out in ((remote, target), (root, f"{target}-2"), (remote, str(tmp_path / "back"))):
        report = export(source, RUN, fmt="values", out=out, endpoint_url=endpoint_url)
        assert report.created
        store = open_store(out, endpoint_url=endpoint_url if out.startswith("s3://") else "")
        keys = sorted(info.key for info in store.list(""))
        assert keys == ["README.md", "data/train-00000.parquet", "data/validation-00000.parquet", "manifest.json"]
        for key in keys:
            assert store.get(key) == (tmp_path / "local" / key).read_bytes()
    assert not export(root, RUN, fmt="values", out=target, endpoint_url=endpoint_url).created
