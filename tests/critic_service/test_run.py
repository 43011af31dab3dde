"""Whole runs and scorings with the real engine behind `critic.kind = "vllm"`, as they are typed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from storage.reader import scan
from tests.critic_service.conftest import ENGINE
from tests.end_to_end.process import COMMAND, status
from tests.needs import VLLM_PYTHON

pytestmark = [pytest.mark.vllm, pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]

CONFIG = """\
[run]
pool = "ray"
workers = 1
[tasks]
environment = "known_values"
domain = "late_error"
count = 2
[critic]
kind = "vllm"
model = "{model}"
python = "{python}"
num_gpus = 0
mode = "score"
review = "all"
max_running = 32
[critic.engine_args]
{engine}
[branching]
trunks = 2
width = 2
rollouts = 2
"""


def _typed(*arguments: str) -> subprocess.CompletedProcess[str]:
    """With time for an engine to start."""
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=400)


def test_a_run_is_reviewed_and_then_scored_by_the_engine(tmp_path: Path, make_model: Callable[..., Path]) -> None:
    config, root = tmp_path / "served.toml", tmp_path / "root"
    engine = "\n".join(f"{name} = {json.dumps(value)}" for name, value in ENGINE.items())
    config.write_text(CONFIG.format(model=make_model("--letters"), python=VLLM_PYTHON, engine=engine))
    played = _typed("run", str(config), "--root", str(root))
    assert played.returncode == 0, played.stderr + played.stdout
    assert "constructor arguments in the object store" not in played.stderr
    record = status(root)
    assert record["state"] == "done"
    served = record["served"]
    assert served["questions"] == record["llm_calls"]["critic"] == sum(served["routed"].values()) > 0
    assert 0 < served["hit_rate"] < 1
    assert f"1: {served['questions']:,} questions" in played.stdout
    reviewed = scan(str(root), "steps").filter(pl.col("reviews") != "[]").collect()
    assert all(0 < review["score"] < 1 for reviews in reviewed["reviews"] for review in json.loads(reviews))
    scored = _typed("score", "--root", str(root), "--critic", str(config), "--json")
    assert scored.returncode == 0, scored.stderr
    told = json.loads(scored.stdout)
    verdicts = scan(str(root), "verdicts").collect()
    assert told["served"]["questions"] == told["verdicts"]["drafts"] == verdicts.height > 0
    assert verdicts["score"].is_between(0, 1).all()
    assert set(verdicts["completion_tokens"]) == {1}
    assert int(verdicts["cached_tokens"].sum()) == told["served"]["cached_tokens"] > 0
    assert set(verdicts["scorer"]) == set(scan(str(root), "steps").collect()["critic"])
    assert _typed("verify", str(root)).returncode == 0
