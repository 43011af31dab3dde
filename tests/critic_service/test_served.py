"""What is told of replicas when a run or a scoring is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.critic_service import CriticStats
from infra.served_critics import put_served, read_served, served_record, served_rows
from rollouts.errors import DataError
from storage.objects import open_store

ONE = CriticStats(
    questions=3, prompt_tokens=100, cached_tokens=25, routed_prefix=2, routed_load=1, queue_s=0.3, engine_s=0.6
)
OTHER = CriticStats(questions=1, prompt_tokens=100, cached_tokens=75, routed_moved=1, queue_s=0.1, too_long=2)


def test_the_replicas_are_added_up_and_means_are_over_questions() -> None:
    served = served_record([ONE, None, OTHER])
    assert (served["replicas"], served["silent"], served["questions"]) == (3, 1, 4)
    assert (served["hit_rate"], served["mean_wait_s"]) == (0.5, pytest.approx(0.1))
    assert served["routed"] == {"prefix": 2, "moved": 1, "load": 1}
    [(_, text)] = served_rows(served)
    assert text == (
        "3: 4 questions, 50.0% of prompt tokens cached, wait 100 ms, engine 150 ms (means), routed by prefix 2, moved 1, load 1; "
        "too long 2; silent 1"
    )


def test_without_replicas_or_questions_nothing_is_told() -> None:
    assert served_rows({}) == []
    assert served_rows(served_record([None])) == []
    assert served_record([CriticStats()])["hit_rate"] is None


def test_the_last_session_is_kept_with_the_run(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    assert read_served(store, "run-1") == {}
    for replicas in ([ONE], [OTHER]):
        put_served(store, "run-1", served_record(replicas))
    assert read_served(store, "run-1") == served_record([OTHER])
    store.put("runs/run-1/critics.json", b"{")
    with pytest.raises(DataError, match=r"runs/run-1/critics\.json is corrupted"):
        read_served(store, "run-1")
