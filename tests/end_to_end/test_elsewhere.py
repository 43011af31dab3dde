"""Runs whose parts are elsewhere: rows in an S3-protocol store, models behind an endpoint, workers on a submitted-to cluster."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from storage.reader import scan
from tests.chat.process import running_server
from tests.end_to_end.process import SMALL, num_markers, settings, status, treeroll
from tests.infra.ray_head import running_ray_head
from tests.s3_server import S3Place

pytestmark = [pytest.mark.tau2, pytest.mark.slow]

KEY = "sk-test-0123456789abcdef"


def _chat(base_url: str, *, model: str = "shop", key_env: str = "") -> list[str]:
    overrides = [
        f"actor.base_url={base_url}",
        f"actor.model={model}",
        f"user.base_url={base_url}",
        "user.model=user",
        "actor.kind=chat",
        "user.kind=chat",
        "tasks.count=2",
    ]
    return [*overrides, f"actor.api_key_env={key_env}"] if key_env else overrides


@pytest.mark.s3
def test_rows_in_an_s3_store_are_the_same_rows(s3_place: S3Place, tmp_path: Path) -> None:
    where = ("--root", s3_place.root, "--endpoint-url", s3_place.endpoint_url)
    overrides = (*SMALL, f"storage.endpoint_url={s3_place.endpoint_url}")
    done = treeroll("run", "smoke", "--root", s3_place.root, *settings(overrides))
    assert done.returncode == 0, done.stderr
    treeroll("run", "smoke", "--root", str(tmp_path), *settings(SMALL))
    record = status(*where[1:])
    assert record["content_hash"] == status(tmp_path)["content_hash"]
    verified = treeroll("verify", *where)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    frame = scan(s3_place.root, "episodes", endpoint_url=s3_place.endpoint_url)
    assert frame.select(pl.len()).collect().item() == record["rows"]["episodes"]
    exported = treeroll("export", *where, "--format", "values", "--out", str(tmp_path / "values"))
    assert exported.returncode == 0, exported.stderr


def test_models_behind_an_endpoint_play_and_are_accounted_for(tmp_path: Path) -> None:
    with running_server() as server:
        overrides = _chat(server.base_url, key_env="SOME_KEY")
        prices = ["actor.price_per_million_prompt=1.0", "actor.price_per_million_completion=2.0"]
        prices += ["user.price_per_million_prompt=1.0", "user.price_per_million_completion=2.0"]
        done = treeroll(
            "run", "smoke", "--root", str(tmp_path), *settings([*overrides, *prices]), env={"SOME_KEY": KEY}
        )
        asked = server.requests("shop").asked + server.requests("user").asked
    assert done.returncode == 0, done.stdout + done.stderr
    record = status(tmp_path)
    assert record["state"] == "done"
    calls = record["llm_calls"]["actor"] + record["llm_calls"]["user"]
    assert calls == asked
    assert record["tokens"] == calls * 1010
    assert record["cost_usd"] == pytest.approx(calls * (1000 + 2 * 10) / 1e6)
    assert set(scan(str(tmp_path), "episodes").collect()["actor"]) == {"chat:shop/temperature=1/max_tokens=1024"}
    everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert KEY.encode() not in everything
    assert KEY not in done.stdout + done.stderr


def test_a_wrong_key_stops_the_run_at_once_and_names_its_variable(tmp_path: Path) -> None:
    with running_server() as server:
        overrides = _chat(server.base_url, model="wrong-key", key_env="SOME_KEY")
        done = treeroll("run", "smoke", "--root", str(tmp_path), *settings(overrides), env={"SOME_KEY": KEY})
        asked = server.requests("wrong-key").asked
    assert done.returncode == 1
    assert "SOME_KEY" in done.stdout
    assert KEY not in done.stdout + done.stderr
    assert asked <= 8
    assert num_markers(tmp_path) == 0


def test_an_endpoint_that_keeps_breaking_gives_failed_episodes_and_no_reward(tmp_path: Path) -> None:
    with running_server() as server:
        overrides = [*_chat(server.base_url, model="storm"), "actor.max_retries=0", "branching.policy=none"]
        done = treeroll("run", "smoke", "--root", str(tmp_path), *settings(overrides))
    assert done.returncode == 0, done.stdout + done.stderr
    episodes = scan(str(tmp_path), "episodes").collect()
    assert set(episodes["outcome"]) == {"failed"}
    assert set(episodes["failure_kind"]) == {"infrastructure"}
    assert episodes["return"].null_count() == episodes.height
    assert f"failed by     {episodes.height} (infrastructure {episodes.height})" in done.stdout
    assert status(tmp_path)["failed_by"] == {"infrastructure": episodes.height}


@pytest.mark.ray
def test_a_submitted_job_plays_the_run_on_the_cluster_and_its_exit_code_comes_back(tmp_path: Path) -> None:
    with running_ray_head() as address:
        overrides = settings(["tasks.count=2", "run.pool=ray", "run.workers=1"])
        common = ("--address", address, "--python", sys.executable, *overrides)
        done = treeroll("submit", "smoke", "--root", str(tmp_path), *common)
        refused = treeroll("submit", "smoke", "--root", str(tmp_path), *common, "--set", "tasks.domain=retial")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "content hash" in done.stdout
    assert status(tmp_path)["state"] == "done"
    assert refused.returncode == 2
    assert "retail" in refused.stdout + refused.stderr
