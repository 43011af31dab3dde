"""`treeroll tasks make` and a run on what it made, as somebody types them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from tests.chat.process import RunningServer, running_server
from tests.end_to_end.process import settings, status, treeroll

pytestmark = pytest.mark.tau2
CONFIG = """
[user]
kind = "chat"
base_url = "{base_url}"
model = "reword"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "tasks.jsonl"
    done = treeroll("tasks", "make", "--domain", "airline", "--count", "4", "--out", str(path))
    assert done.returncode == 0, done.stderr
    assert "4 for airline" in done.stdout and f"tasks.source={path}" in done.stdout
    assert "20 tasks of the test split" in done.stdout
    return path


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def test_a_run_plays_the_tasks_of_a_file_to_labels(made: Path, tmp_path: Path) -> None:
    chosen = settings(["tasks.domain=airline", f"tasks.source={made}"])
    root = tmp_path / "root"
    done = treeroll("run", "smoke", "--root", str(root), *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
    told = status(root)
    assert told["state"] == "done"
    assert told["episodes"]["settled"] == told["episodes"]["planned"] > 0
    assert told["rows"]["labels"] > 0


def test_another_process_makes_the_same_bytes(made: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    done = CliRunner().invoke(app, ["tasks", "make", "--domain", "airline", "--count", "4", "--out", str(again)])
    assert done.exit_code == 0, done.output
    assert again.read_bytes() == made.read_bytes()


def test_the_tasks_of_a_file_can_be_chosen_by_id(made: Path) -> None:
    name = json.loads(made.read_text().splitlines()[3])["task_id"]
    chosen = settings(["tasks.domain=airline", f"tasks.source={made}", f"tasks.ids=['{name}']"])
    done = CliRunner().invoke(app, ["plan", "smoke", *chosen, "--json"])
    assert json.loads(done.stdout)["tasks"] == 1


@pytest.mark.parametrize(
    ("overrides", "says", "code"),
    [
        (["tasks.domain=retail"], ("domain 'airline'", "tasks.domain is 'retail'"), 1),
        (["tasks.domain=airline", "tasks.count=5"], ("tasks.count = 5", "has 4 tasks"), 2),
        (["tasks.domain=airline", "tasks.ids=['7']"], ("tasks.ids: '7'", "4 tasks", ".jsonl"), 2),
        (["tasks.domain=airline", "tasks.split=train"], ("tasks.split", "no effect", "tasks.source"), 2),
    ],
)
def test_a_file_that_does_not_fit_is_refused_before_anything_is_written(
    made: Path, tmp_path: Path, overrides: list[str], says: tuple[str, ...], code: int
) -> None:
    root = tmp_path / "root"
    chosen = settings([f"tasks.source={made}", *overrides])
    done = CliRunner().invoke(app, ["run", "smoke", "--root", str(root), *chosen])
    assert done.exit_code == code, done.output
    assert [words for words in says if words not in done.stderr] == []
    assert not root.exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--domain", "telecoms", "--count", "1"), ("telecoms", "'retail', 'airline'")),
        (("--domain", "retail", "--count", "0"), ("at least 1",)),
        (("--domain", "retail", "--count", "99999"), ("99999", "at most 26280", "fewer")),
        (("--domain", "retail", "--count", "1", "--paraphrase-with", "smoke"), ("user.kind",)),
    ],
)
def test_what_cannot_be_made_is_told_in_one_sentence_and_leaves_nothing(
    tmp_path: Path, arguments: tuple[str, ...], says: tuple[str, ...]
) -> None:
    done = CliRunner().invoke(app, ["tasks", "make", *arguments, "--out", str(tmp_path / "tasks.jsonl")])
    assert done.exit_code == 2, done.output
    assert [words for words in says if words not in done.stderr] == []
    assert list(tmp_path.iterdir()) == []


def test_a_model_can_word_the_tasks(server: RunningServer, tmp_path: Path) -> None:
    config, out = tmp_path / "words.toml", tmp_path / "tasks.jsonl"
    config.write_text(CONFIG.format(base_url=server.base_url))
    wanted = ["--domain", "retail", "--count", "6", "--out", str(out), "--paraphrase-with", str(config)]
    done = CliRunner().invoke(app, ["tasks", "make", *wanted])
    assert done.exit_code == 0, done.output
    assert "by reword: reworded 6" in done.stdout
    assert out.read_text().count("Let us see what you are here for.") == 6
