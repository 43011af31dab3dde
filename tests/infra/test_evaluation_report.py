"""What people read of an evaluation."""

from __future__ import annotations

import io
from typing import Any

import pytest

from infra.evaluation_report import print_report, report_heading, report_rows
from labeling.evaluation.summary import evaluated
from labeling.evaluation.trials import Missing, Scored, Trial
from rollouts.episode import Spend
from storage.evaluations import ArmRun, EvaluationResult, result_record
from tests.labeling.evaluation.arms import QUICK


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def trials(solved: list[bool | None], *, cost_usd: float | None) -> list[Trial]:
    return [
        Trial(
            task_id=str(index // 2),
            index=index % 2,
            result=Missing(reason="rate_limit") if one is None else Scored(returned=float(one), stop="user_stop"),
            spend=Spend(actor_calls=3, user_calls=2, cost_usd=cost_usd),
        )
        for index, one in enumerate(solved)
    ]


@pytest.fixture
def record() -> dict[str, Any]:
    arms = {
        "alone": trials([True, False, False, False], cost_usd=0.25),
        "critic": trials([True, True, True, None], cost_usd=None),
        "broken": trials([None, None, None, None], cost_usd=0.0),
    }
    result = EvaluationResult(
        evaluation_id="paper-12345678",
        environment="tau2",
        domain="retail",
        tasks={"test": 2},
        seed=0,
        num_trials=2,
        baseline="alone",
        confidence=0.95,
        resamples=100,
        runs=tuple(ArmRun(arm=arm, run_id=f"paper-{arm}", state="done", content_hash="0") for arm in arms),
        findings=evaluated(arms, baseline="alone", num_trials=2, resampling=QUICK),
    )
    return result_record(result)


def test_the_heading_says_what_was_compared(record: dict[str, Any]) -> None:
    assert report_heading(record) == ("paper-12345678: 2 test tasks of tau2 retail, 2 trials each; 95 % intervals")


def test_each_measure_is_told_for_each_arm_and_what_is_not_known_is_not_made_up(record: dict[str, Any]) -> None:
    heading, *rows = report_rows(record)
    assert heading == ["", "alone", "critic", "broken"]
    told = {name: cells for name, *cells in rows}
    assert [cell.partition(" ")[0] for cell in told["pass^1"]] == ["25.0%", "100.0%", "-"]
    assert told["pass^2"][1].endswith("(1 tasks)")
    assert told["against alone"][0] == told["against alone"][2] == "-"
    assert told["against alone"][1].startswith("+75.0 [")
    assert told["helpfulness"][1].startswith("2 of 2: 100.0% [")
    assert told["harmfulness"][1].startswith("0 of 1: 0.0% [")
    assert told["helpfulness"][2] == "0 of 0"
    assert told["cost"] == ["$1.00", "unknown", "$0.00"]
    assert told["cost per solved task"] == ["$1.00", "unknown", "unknown"]
    assert told["missing"] == ["0", "rate_limit 1", "rate_limit 4"]
    assert told["failed"] == ["user_stop 3", "0", "0"]
    assert told["calls per episode"] == ["actor 3.0, user 2.0", "actor 3.0, user 2.0", "-"]


def test_a_terminal_and_a_file_are_told_the_same(record: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    terminal, file = Terminal(), io.StringIO()
    print_report(record, terminal)
    print_report(record, file)
    for row in report_rows(record):
        for cell in row:
            assert cell in terminal.getvalue()
            assert cell in file.getvalue()
