"""Whole runs on real τ² tasks: whoever plays them and whatever dies on the way, the rows are the same."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import polars as pl
import pytest

from storage.reader import scan
from tests.end_to_end.process import SMALL, descendants, num_markers, settings, start, status, treeroll, wait_until

pytestmark = [pytest.mark.tau2, pytest.mark.slow]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small run, in one process."""
    root = tmp_path_factory.mktemp("undisturbed")
    done = treeroll("run", "smoke", "--root", str(root), *settings(SMALL))
    assert done.returncode == 0, done.stderr
    assert "next" in done.stdout
    return root


LONGER = (*SMALL, "tasks.count=16")
# still under way when the signal arrives, however late a busy machine sends it


@pytest.fixture(scope="module")
def undisturbed_longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed_longer")
    done = treeroll("run", "smoke", "--root", str(root), *settings(LONGER))
    assert done.returncode == 0, done.stderr
    return root


@pytest.mark.ray
@pytest.mark.parametrize("workers", [1, 2])
def test_the_content_hash_does_not_depend_on_pool_or_number_of_workers(
    undisturbed: Path, tmp_path: Path, workers: int
) -> None:
    overrides = (*SMALL, "run.pool=ray", f"run.workers={workers}", "run.max_in_flight=32")
    done = treeroll("run", "smoke", "--root", str(tmp_path), *settings(overrides))
    assert done.returncode == 0, done.stderr
    assert status(tmp_path)["content_hash"] == status(undisturbed)["content_hash"]


@pytest.mark.ray
def test_a_worker_killed_in_the_middle_is_replaced_and_the_run_ends_complete(
    undisturbed_longer: Path, tmp_path: Path
) -> None:
    longer = (*LONGER, "run.pool=ray", "run.workers=2", "run.max_in_flight=12")
    process = start("run", "smoke", "--root", str(tmp_path), *settings(longer))
    wait_until(lambda: num_markers(tmp_path) >= 2 or process.poll() is not None)
    workers = [pid for pid, line in descendants(process.pid).items() if "EpisodeWorker" in line]
    os.kill(workers[0], signal.SIGKILL)
    killed_after = num_markers(tmp_path)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 0, output
    assert len(workers) == 2
    assert killed_after < 16
    record = status(tmp_path)
    assert record["state"] == "done"
    assert record["content_hash"] == status(undisturbed_longer)["content_hash"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_is_resumed_to_the_same_rows(
    undisturbed_longer: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    slower = ("run.max_in_flight=1",)
    process = start("run", "smoke", "--root", str(tmp_path), *settings((*LONGER, *slower)))
    wait_until(lambda: num_markers(tmp_path) >= 1 or process.poll() is not None)
    process.send_signal(stop)
    output, _ = process.communicate(timeout=60)
    if stop is not signal.SIGKILL:
        assert process.returncode == 130, output
        assert "treeroll resume" in output
    record = status(tmp_path)
    assert record["state"] == "unfinished"
    assert 1 <= record["items"]["settled"] < 16
    resumed = treeroll("resume", "--root", str(tmp_path), "--set", "run.max_in_flight=64")
    assert resumed.returncode == 0, resumed.stderr
    assert status(tmp_path)["content_hash"] == status(undisturbed_longer)["content_hash"]


def test_a_finished_run_is_left_alone(undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()}
    again = treeroll("run", "smoke", "--root", str(undisturbed), *settings(SMALL))
    assert again.returncode == 0
    assert "nothing to do" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*") if path.is_file()} == before


def test_a_run_stops_exactly_at_its_limit_with_code_3_and_goes_on_to_the_same_rows(
    undisturbed: Path, tmp_path: Path
) -> None:
    limited = (*SMALL, "limits.calls=900", 'run.pool="local"')
    stopped = treeroll("run", "smoke", "--root", str(tmp_path), *settings(limited))
    assert stopped.returncode == 3, stopped.stderr
    assert "limits.calls = 900" in stopped.stdout
    assert sum(status(tmp_path)["llm_calls"].values()) <= 900
    resumed = treeroll("resume", "--root", str(tmp_path), "--set", "limits.calls=0")
    assert resumed.returncode == 0, resumed.stderr
    assert status(tmp_path)["early_stops"] == 0
    assert status(tmp_path)["content_hash"] == status(undisturbed)["content_hash"]


def test_a_run_may_publish_what_it_has_when_it_reaches_its_limit(tmp_path: Path) -> None:
    limited = (*SMALL, "limits.calls=900", 'limits.on_limit="publish"', 'run.pool="local"')
    stopped = treeroll("run", "smoke", "--root", str(tmp_path), *settings(limited))
    assert stopped.returncode == 3, stopped.stderr
    record = status(tmp_path)
    assert sum(record["llm_calls"].values()) == 900
    assert record["early_stops"] >= 1
    resumed = treeroll("resume", "--root", str(tmp_path), "--set", "limits.calls=0")
    assert resumed.returncode == 0, resumed.stderr
    assert status(tmp_path)["state"] == "done"
    assert treeroll("verify", "--root", str(tmp_path)).returncode == 0


def test_verify_prints_the_hash_that_status_tells(undisturbed: Path) -> None:
    told = status(undisturbed)
    verified = treeroll("verify", told["run_id"], "--root", str(undisturbed))
    assert verified.returncode == 0
    assert told["content_hash"] in verified.stdout


def test_a_flipped_bit_in_a_part_is_named(undisturbed: Path, tmp_path: Path) -> None:
    treeroll("run", "smoke", "--root", str(tmp_path), *settings(SMALL))
    part = sorted(tmp_path.glob("tables/steps/**/*.parquet"))[0]
    damaged = bytearray(part.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    part.write_bytes(damaged)
    verified = treeroll("verify", str(tmp_path))
    assert verified.returncode == 1
    assert part.name in verified.stdout


def test_the_tables_tell_one_story(undisturbed: Path) -> None:
    record = status(undisturbed)
    tables = {name: scan(str(undisturbed), name).collect() for name in record["rows"]}
    assert {name: frame.height for name, frame in tables.items()} == record["rows"]
    assert {name for name, rows in record["rows"].items() if rows} == {"episodes", "steps", "values", "labels"}
    episodes, values = tables["episodes"], tables["values"]
    assert episodes.height == record["episodes"]["settled"]
    assert set(episodes["split"]) == {"train"}
    assert set(episodes["actor"]) == {"scripted:actor"}
    for frame in tables.values():
        assert {tuple(basis) for basis in frame["reward_basis"]} <= {("DB", "COMMUNICATE")}
    branches = episodes.filter(pl.col("parent_path").is_not_null())
    assert (values["n"] - values["free_n"]).sum() == branches.height
    assert values["successes"].sum() >= branches["return"].sum()
    assert (values["upper"] > values["lower"]).all()
    assert set(tables["labels"]["label"]) <= {"approve", "revise", "abstain"}
    forked = tables["steps"].join(episodes.filter(pl.col("parent_path").is_null()), on=["task_id", "episode_path"])
    chosen = forked.join(values.select("task_id", "episode_path").unique(), on=["task_id", "episode_path"])
    assert values.select("task_id", "episode_path", "step").unique().height == chosen.height
