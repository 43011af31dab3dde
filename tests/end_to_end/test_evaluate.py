"""An evaluation as a stranger plays it: τ² retail's test split, the actor alone and under critics of known quality."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.process import num_markers, settings, start, treeroll, wait_until

pytestmark = [pytest.mark.tau2, pytest.mark.slow]

FEW = ("tasks.count=10", "evaluation.resamples=500")
NUM_ITEMS = 30


def evaluated(root: Path) -> dict[str, Any]:
    done = treeroll("evaluate", "evaluate_quickstart", "--root", str(root), "--json", *settings(FEW))
    assert done.returncode == 0, done.stderr
    record: dict[str, Any] = json.loads(done.stdout)
    return record


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    root = tmp_path_factory.mktemp("undisturbed")
    return root, evaluated(root)


def test_a_good_critic_beats_the_actor_alone_for_sure(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    _, record = undisturbed
    alone, fair, good = record["arms"]
    assert record["tasks"] == {"test": 10}
    assert good["comparison"]["difference"]["lower"] > 0
    assert good["comparison"]["helpfulness"]["lower"] > good["comparison"]["harmfulness"]["upper"]
    assert alone["pass"][0]["mean"] < good["pass"][0]["mean"]
    assert fair["llm_calls"]["critic"] > 0 == alone["llm_calls"]["critic"]


def test_the_run_of_an_arm_is_a_run(undisturbed: tuple[Path, dict[str, Any]]) -> None:
    root, record = undisturbed
    verified = treeroll("verify", str(root))
    assert verified.returncode == 0, verified.stdout
    assert all(f"{arm['run_id']}: everything" in verified.stdout for arm in record["arms"])
    assert all(arm["content_hash"] in verified.stdout for arm in record["arms"])


def test_an_interrupted_evaluation_goes_on_to_the_same_result(
    undisturbed: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    slower = settings([*FEW, "run.max_in_flight=1"])
    process = start("evaluate", "evaluate_quickstart", "--root", str(tmp_path), *slower)
    wait_until(lambda: num_markers(tmp_path) > NUM_ITEMS / 3 or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "the same command goes on" in output
    assert NUM_ITEMS / 3 < num_markers(tmp_path) < NUM_ITEMS
    assert evaluated(tmp_path) == undisturbed[1]
