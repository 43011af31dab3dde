"""Evaluations of worlds that need no package: what is played, what is said of it, and what is not done twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from infra.evaluate import evaluate
from rollouts.errors import UsageError
from storage.reader import scan

BASE = """
[run]
pool = "local"
[tasks]
environment = "known_values"
domain = "late_error"
split = "test"
count = 6
[evaluation]
trials = 4
resamples = 200
"""
ALONE = """
[[evaluation.arms]]
name = "alone"
"""
PERFECT = """
[[evaluation.arms]]
name = "perfect"
set = { "critic.kind" = "scripted", "critic.review" = "all", "critic.hit_rate" = 1.0, "critic.false_alarm_rate" = 0.0 }
"""
HARMFUL = """
[[evaluation.arms]]
name = "harmful"
set = { "critic.kind" = "scripted", "critic.review" = "all", "critic.hit_rate" = 0.0, "critic.false_alarm_rate" = 1.0 }
"""
UNREACHABLE = """
[[evaluation.arms]]
name = "unreachable"
set = { "actor.kind" = "chat", "actor.base_url" = "http://127.0.0.1:9/v1", "actor.model" = "m", "actor.max_retries" = 0 }
"""
LIMITED = """
[[evaluation.arms]]
name = "limited"
set = { "limits.calls" = 20 }
"""


def play(tmp_path: Path, arms: str, **given: Any) -> int:
    path = tmp_path / "mine.toml"
    path.write_text(BASE + arms)
    return evaluate(path, root=str(tmp_path / "root"), **{"name": None, "as_json": True, **given})


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return record


def arms_of(record: dict[str, Any]) -> dict[str, Any]:
    return {arm["arm"]: arm for arm in record["arms"]}


def test_a_critic_that_is_always_right_helps_and_one_that_is_always_wrong_harms(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(tmp_path, ALONE + PERFECT + HARMFUL) == 0
    record = told(capsys)
    alone, perfect, harmful = record["arms"]
    assert record["tasks"] == {"test": 6}
    assert perfect["comparison"]["harmfulness"]["count"] == 0
    assert perfect["comparison"]["helpfulness"]["count"] > 0
    assert perfect["comparison"]["difference"]["lower"] > 0
    assert harmful["comparison"]["helpfulness"]["count"] == 0
    assert harmful["comparison"]["difference"]["upper"] < 0
    assert alone["comparison"] is None
    assert [arm["episodes"]["scored"] for arm in record["arms"]] == [24, 24, 24]
    assert perfect["per_episode"]["revisions"] > 0 == alone["per_episode"]["revisions"]


def test_what_is_said_is_what_the_tables_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(tmp_path, ALONE + PERFECT)
    for arm in told(capsys)["arms"]:
        episodes = scan(str(tmp_path / "root"), "episodes", run_id=arm["run_id"]).collect()
        steps = scan(str(tmp_path / "root"), "steps", run_id=arm["run_id"]).collect()
        assert (arm["episodes"]["planned"], arm["episodes"]["solved"]) == (episodes.height, episodes["success"].sum())
        assert arm["pass"][0]["mean"] == pytest.approx(episodes["success"].mean())
        assert arm["per_episode"]["revisions"] == pytest.approx(steps["num_revise"].sum() / episodes.height)
        assert arm["llm_calls"]["critic"] == episodes["critic_calls"].sum()
        assert arm["cost_usd"] == 0.0


def test_an_arm_like_the_baseline_differs_in_no_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(tmp_path, ALONE + ALONE.replace("alone", "again"))
    compared = arms_of(told(capsys))["again"]["comparison"]
    assert (compared["helpfulness"]["count"], compared["harmfulness"]["count"]) == (0, 0)
    assert compared["difference"]["mean"] == 0


def test_failures_of_the_infrastructure_are_missing_and_never_failures_of_tasks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(tmp_path, ALONE + UNREACHABLE)
    arm = arms_of(told(capsys))["unreachable"]
    assert (arm["episodes"]["scored"], arm["episodes"]["failed"]) == (0, {})
    assert arm["episodes"]["missing"] == {"infrastructure": 24}
    assert (arm["pass"][0]["mean"], arm["cost_per_solved_usd"]) == (None, None)
    assert (arm["comparison"]["pairs"], arm["comparison"]["difference"]) == (0, None)


def test_what_is_finished_is_not_played_again_and_an_added_arm_is_played_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(tmp_path, ALONE)
    first = told(capsys)
    tables = {path: path.stat().st_mtime_ns for path in (tmp_path / "root").glob("[tr]*/**/*") if path.is_file()}
    assert play(tmp_path, ALONE) == 0
    again = told(capsys)
    assert again == first
    assert play(tmp_path, ALONE + PERFECT) == 0
    more = told(capsys)
    assert more["arms"][0] == first["arms"][0]
    assert more["evaluation_id"] != first["evaluation_id"]
    assert {path: path.stat().st_mtime_ns for path in tables} == tables


def test_an_arm_that_stops_at_its_limit_goes_on_once_it_is_raised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert play(tmp_path, ALONE + LIMITED, overrides=["run.max_in_flight=1"]) == 3
    arm = arms_of(told(capsys))["limited"]
    assert arm["state"] == "unfinished"
    assert arm["episodes"]["missing"]
    assert arm["episodes"]["planned"] == arm["episodes"]["scored"] + sum(arm["episodes"]["missing"].values())
    assert play(tmp_path, ALONE + LIMITED.replace("20", "0")) == 0
    assert arms_of(told(capsys))["limited"]["state"] == "done"


def test_the_result_is_kept_as_json_and_as_a_table_with_a_row_for_each_arm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(tmp_path, ALONE + PERFECT, name="paper")
    record = told(capsys)
    kept = tmp_path / "root" / "evaluations" / record["evaluation_id"]
    assert record["evaluation_id"].startswith("paper-")
    assert json.loads((kept / "result.json").read_text()) == record
    rows = pl.read_parquet(kept / "summary.parquet").to_dicts()
    assert [row["arm"] for row in rows] == ["alone", "perfect"]
    assert [row["pass"] for row in rows] == [arm["pass"] for arm in record["arms"]]
    assert [row["helpfulness"] for row in rows] == [None, record["arms"][1]["comparison"]["helpfulness"]]


def test_people_get_a_column_for_each_arm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    play(tmp_path, ALONE + PERFECT, as_json=False)
    shown = capsys.readouterr().out
    for words in ("6 test tasks", "alone", "perfect", "pass^4", "against alone", "helpfulness", "kept at", " points"):
        assert words in shown


def test_a_missing_key_is_told_before_anything_is_written(tmp_path: Path) -> None:
    keyed = UNREACHABLE.replace(" }", ', "actor.api_key_env" = "NO_SUCH_KEY_HERE" }')
    with pytest.raises(UsageError, match="NO_SUCH_KEY_HERE"):
        play(tmp_path, ALONE + keyed)
    assert not (tmp_path / "root").exists()
