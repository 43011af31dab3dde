"""A run keeps what was foretold of it, says at its end how wrong that was, and is not begun with a budget that buys nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from infra.display import PlainDisplay
from infra.launch import play, prepare
from infra.outcome import print_outcome
from infra.runs import read_status
from infra.status import status_record
from rollouts.errors import UsageError
from storage.layout import run_key
from storage.runs import read_run
from tests.end_to_end.process import treeroll
from tests.infra.forecasts import config


def test_a_finished_run_says_what_was_predicted_and_by_how_much_it_was_wrong(tmp_path: Path) -> None:
    configured = config(tmp_path, count=4)
    prepared = prepare(configured, name="test")
    told = io.StringIO()
    print_outcome(prepared, play(prepared, PlainDisplay(io.StringIO())), told)
    [line] = [line for line in told.getvalue().splitlines() if line.startswith("predicted")]
    status = read_status(prepared.store, prepared.run_id)
    found = status_record(prepared.store, prepared.run_id, root=str(tmp_path))["predicted"]["llm_calls"]
    assert found["real"] == status.progress.spend.calls
    assert found["error"] == pytest.approx(found["predicted"] / found["real"] - 1, abs=1e-4)
    assert f"{round(found['predicted']):,} LLM calls ({found['error']:+.0%})" in line


def test_an_unfinished_run_compares_nothing(tmp_path: Path) -> None:
    prepared = prepare(config(tmp_path, count=4, limits={"calls": 60}), name="test")
    told = io.StringIO()
    print_outcome(prepared, play(prepared, PlainDisplay(io.StringIO())), told)
    assert "limits.calls = 60 reached" in told.getvalue()
    assert "predicted" not in told.getvalue()
    assert status_record(prepared.store, prepared.run_id, root=str(tmp_path))["predicted"] == {}


def test_a_budget_smaller_than_one_episode_starts_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"limits\.calls = 3 buys no episode"):
        prepare(config(tmp_path, limits={"calls": 3}), name="test")
    assert not list(tmp_path.iterdir())


def test_a_run_is_not_resumed_with_such_a_budget_either(tmp_path: Path) -> None:
    prepare(config(tmp_path, run={"id": "mine"}), name="test")
    with pytest.raises(UsageError, match=r"limits\.calls = 3 buys no episode"):
        prepare(config(tmp_path, run={"id": "mine"}, limits={"calls": 3}), name="test")


def test_a_run_begun_before_there_were_forecasts_is_read_and_played(tmp_path: Path) -> None:
    prepared = prepare(config(tmp_path, count=2), name="test")
    path = tmp_path / run_key(prepared.run_id)
    older = json.loads(path.read_text())
    del older["forecast"]
    path.write_text(json.dumps(older))
    assert read_run(prepared.store, prepared.run_id).forecast == {}
    told = io.StringIO()
    again = prepare(config(tmp_path, count=2), name="test")
    print_outcome(again, play(again, PlainDisplay(io.StringIO())), told)
    assert "complete" in told.getvalue()
    assert "predicted" not in told.getvalue()


def test_the_command_tells_a_forecast_as_json_and_refuses_what_cannot_be_played(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[run]\npool = "local"\n[tasks]\nenvironment = "known_values"\ndomain = "late_error"\ncount = 2\n')
    given = ("plan", str(path), "--root", str(tmp_path / "root"))
    foretold = treeroll(*given, "--json")
    assert foretold.returncode == 0, foretold.stderr
    record = json.loads(foretold.stdout)
    assert record["llm_calls"]["total"]["low"] < record["llm_calls"]["total"]["high"]
    assert set(record["figures"].values()) == {"assumed"}
    refused = treeroll(*given, "--set", "limits.calls=3")
    assert refused.returncode == 2
    assert "buys no episode" in refused.stderr
    unknown = treeroll(*given, "--like", "nobody")
    assert unknown.returncode == 2
    assert "there is no run 'nobody'" in unknown.stderr


def test_two_that_begin_one_run_may_foretell_differently(tmp_path: Path) -> None:
    """The root has told more to the second of them."""
    prepared = prepare(config(tmp_path, count=2), name="test")
    path = tmp_path / run_key(prepared.run_id)
    other = json.loads(path.read_text())
    other["forecast"]["llm_calls"]["total"]["expected"] = 1.0
    path.write_text(json.dumps(other))
    assert prepare(config(tmp_path, count=2), name="test").run_id == prepared.run_id
