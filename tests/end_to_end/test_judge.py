"""A task's natural-language assertions, ruled on by a model behind an endpoint, or told as not evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from actors.chat_judge import JUDGE_PROMPT
from storage.reader import scan
from tests.chat.process import RunningServer, running_server
from tests.end_to_end.process import settings, status, treeroll

pytestmark = [pytest.mark.tau2, pytest.mark.slow]

ASSERTING = ("105", "110")
# one assertion, three; retail's training tasks with some are 105, 106, 107, 109, 110 and 113
PLAIN = "0"
PLAYED = [f'tasks.ids=["{PLAIN}", "{ASSERTING[0]}", "{ASSERTING[1]}"]', "branching.rollouts=1", "branching.width=2"]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    with running_server() as running:
        yield running


def _judge(server: RunningServer, model: str) -> list[str]:
    return ["judge.kind=chat", f"judge.base_url={server.base_url}", f"judge.model={model}"]


def _played(root: Path, *overrides: str) -> pl.DataFrame:
    """The episodes of a run of scripted stand-ins."""
    done = treeroll("run", "smoke", "--root", str(root), *settings([*PLAYED, *overrides]))
    assert done.returncode == 0, done.stdout + done.stderr
    return scan(str(root), "episodes").collect()


def _asserting(episodes: pl.DataFrame) -> pl.DataFrame:
    """The episodes that a judge is asked about: a truncated one scores 0 whatever was said."""
    return episodes.filter(pl.col("task_id").is_in(ASSERTING) & pl.col("terminated"))


def _rulings(episodes: pl.DataFrame) -> set[float | None]:
    parts = [{part["name"]: part["value"] for part in row} for row in episodes["reward_parts"]]
    return {part.get("NL_ASSERTION") for part in parts}


@pytest.fixture(scope="module")
def unjudged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("unjudged")
    _played(root)
    return root


def test_without_a_judge_the_part_is_told_as_not_evaluated(unjudged: Path) -> None:
    episodes = scan(str(unjudged), "episodes").collect()
    asserting = _asserting(episodes)
    assert asserting.height > 0
    assert set(asserting["not_evaluated"].list.join("+")) == {"NL_ASSERTION"}
    assert _rulings(asserting) == {None}
    assert set(episodes.filter(pl.col("task_id") == PLAIN)["not_evaluated"].list.len()) == {0}
    assert set(episodes["judge"]) == {"none"}
    assert status(unjudged)["llm_calls"]["judge"] == 0


@pytest.mark.parametrize(("model", "ruling"), [("judge", 1.0), ("judge-strict", 0.0)])
def test_a_chat_judge_is_asked_once_an_episode_and_its_ruling_is_in_the_rows(
    unjudged: Path, tmp_path: Path, server: RunningServer, model: str, ruling: float
) -> None:
    episodes = _played(tmp_path, *_judge(server, model))
    asserting = _asserting(episodes)
    assert _rulings(asserting) == {ruling}
    assert set(asserting["not_evaluated"].list.len()) == {0}
    assert set(asserting["judge_calls"]) == {1}
    assert set(episodes["judge"]) == {f"chat:{model}/temperature=0/max_tokens=1024/prompt={JUDGE_PROMPT}"}
    record = status(tmp_path)
    assert record["llm_calls"]["judge"] == asserting.height == episodes["judge_calls"].sum()
    assert record["llm_calls"]["judge"] == server.requests(model).asked
    assert record["tokens"] == asserting.height * 1010
    # the part is not in these tasks' basis, so the returns are what they were without a judge
    before = scan(str(unjudged), "episodes").collect()
    kept = ["task_id", "episode_path", "return"]
    assert episodes.select(kept).sort(kept).equals(before.select(kept).sort(kept))


def test_a_judge_that_cannot_be_read_leaves_the_part_not_evaluated_and_is_paid_for(
    tmp_path: Path, server: RunningServer
) -> None:
    asserting = _asserting(_played(tmp_path, *_judge(server, "judge-vague")))
    assert set(asserting["not_evaluated"].list.join("+")) == {"NL_ASSERTION"}
    assert _rulings(asserting) == {None}
    assert set(asserting["outcome"]) == {"finished"}
    assert set(asserting["prompt_tokens"]) == {2000}


def test_a_wrong_key_of_the_judges_stops_the_run(tmp_path: Path, server: RunningServer) -> None:
    overrides = [*PLAYED, *_judge(server, "wrong-key"), "judge.api_key_env=SOME_KEY"]
    missing = treeroll("run", "smoke", "--root", str(tmp_path), *settings(overrides))
    assert missing.returncode == 2
    assert "SOME_KEY" in missing.stderr
    refused = treeroll("run", "smoke", "--root", str(tmp_path), *settings(overrides), env={"SOME_KEY": "sk-0123456789"})
    assert refused.returncode == 1
    assert "SOME_KEY" in refused.stdout
    assert "sk-0123456789" not in refused.stdout + refused.stderr
