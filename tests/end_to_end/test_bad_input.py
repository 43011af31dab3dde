"""What a new user gets wrong: each is one clear sentence, the right exit code, and nothing half-done."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.end_to_end.process import settings, treeroll

pytestmark = [pytest.mark.tau2]


def _refused(*arguments: str, says: tuple[str, ...], code: int = 2) -> None:
    done = treeroll(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for words in says:
        assert words in done.stderr


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("branching.widht=3", ("branching.widht", "width")),
        ("branching.width=-1", ("branching.width", "-1")),
        ("tasks.domain=retial", ("retial", "retail")),
        ("tasks.environment=tau3", ("tau3", "tau2")),
        ("tasks.split=test", ("test split", "training")),
        ("tasks.split=base", ("test split", "40")),
        ("tasks.split=dev", ("dev", "train")),
        ("tasks.count=75", ("74",)),
        ("critic.kind=vllm", ("critic.model", "folder")),
        ("critic.kind=clever", ("clever", "scripted", "vllm")),
        ("actor.kind=chat", ("base_url", "model")),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_the_fix_and_nothing_is_written(
    tmp_path: Path, override: str, says: tuple[str, ...]
) -> None:
    overrides = ["tasks.count=0", override]
    _refused("run", "smoke", "--root", str(tmp_path / "root"), *settings(overrides), says=says)
    assert not (tmp_path / "root").exists()


def test_unknown_task_ids_are_named(tmp_path: Path) -> None:
    overrides = ["tasks.ids=['0','9999']", "tasks.count=0"]
    _refused("run", "smoke", "--root", str(tmp_path), *settings(overrides), says=("9999", "nearest", "74"))


def test_a_configuration_that_is_not_there_lists_the_presets() -> None:
    _refused("run", "quikstart", says=("quikstart", "quickstart"))


def test_an_unwritable_root_is_named() -> None:
    _refused("run", "smoke", "--root", "/proc/treeroll", says=("/proc/treeroll",))


def test_a_root_without_runs_says_what_to_do(tmp_path: Path) -> None:
    _refused("status", "--root", str(tmp_path), says=("no run", "treeroll run"))


def test_an_existing_run_id_with_another_configuration_names_the_differing_keys(tmp_path: Path) -> None:
    first = ("run", "smoke", "--root", str(tmp_path), "--run-id", "mine", *settings(["tasks.count=1"]))
    assert treeroll(*first).returncode == 0
    _refused(*first, *settings(["branching.rollouts=3"]), says=("mine", "branching.rollouts", "2", "3", "--run-id"))


def test_a_missing_key_names_its_variable_and_is_asked_for_before_anything_is_played(tmp_path: Path) -> None:
    overrides = [
        "actor.kind=chat",
        "actor.base_url=http://127.0.0.1:9/v1",
        "actor.model=m",
        "actor.api_key_env=NO_SUCH_KEY_HERE",
    ]
    _refused("run", "smoke", "--root", str(tmp_path), *settings(overrides), says=("NO_SUCH_KEY_HERE",))


@pytest.mark.s3
def test_an_s3_endpoint_that_is_down_is_named_within_bounded_time() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()
    done = treeroll(
        *("run", "smoke", "--root", "s3://bucket/prefix", *settings([f"storage.endpoint_url={address}"])),
        env={"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "not-shown", "AWS_DEFAULT_REGION": "us-east-1"},
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert address in done.stderr
    assert "not-shown" not in done.stderr + done.stdout
    assert time.monotonic() - began < 90
