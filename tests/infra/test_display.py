"""What a run shows of itself."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.display import (
    LINE_EVERY_S,
    Pace,
    PlainDisplay,
    RichDisplay,
    RunSummary,
    Sample,
    cost_text,
    count_text,
    duration_text,
    make_display,
    print_summary,
    progress_fields,
    progress_line,
    success_text,
    summary_rows,
)
from rollouts.episode import Spend
from rollouts.receipt import Progress

HALFWAY = Progress(
    episodes_planned=2400,
    episodes_settled=1200,
    episodes_failed=3,
    successes=900,
    in_flight=64,
    forks=210,
    steps=20_000,
    spend=Spend(
        actor_calls=12_000, user_calls=6_000, critic_calls=0, prompt_tokens=5_000_000, completion_tokens=250_000
    ),
)
DONE = RunSummary(
    run_id="quickstart-1a2b3c4d",
    state="complete",
    items_done=40,
    items_total=40,
    progress=HALFWAY,
    values={"message": 300, "write": 120},
    labels={"approve": 200, "revise": 100, "abstain": 120},
    failures={"rate_limit": 2, "timeout": 1},
    wall_s=95.2,
    content_hash="0123456789abcdef0123456789abcdef",
    root="data/quickstart",
    next_command="treeroll export quickstart-1a2b3c4d --format critic-sft",
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


# -- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (125, "2 min 05 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (11_220, "3 h 07 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_a_duration_is_told_in_two_units(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@given(st.floats(min_value=0, max_value=1e7))
def test_no_duration_has_sixty_of_a_unit(seconds: float) -> None:
    assert " 60 " not in f" {duration_text(seconds)} "


@pytest.mark.parametrize(("cost", "text"), [(0.0, "$0.00"), (0.0123, "$0.0123"), (1.5, "$1.50"), (1234.5, "$1,234.50")])
def test_a_cost_keeps_the_digits_that_matter(cost: float, text: str) -> None:
    assert cost_text(cost) == text


def test_an_unknown_cost_is_not_zero() -> None:
    assert cost_text(None).startswith("unknown")


def test_counts_are_grouped() -> None:
    assert count_text(1_234_567) == "1,234,567"


def test_a_failed_episode_counts_for_no_success_rate() -> None:
    assert success_text(Progress(episodes_settled=4, successes=3, episodes_failed=96)) == "75.0%"
    assert success_text(Progress(episodes_failed=5)) == "-"


# -- pace -------------------------------------------------------------------------------------------------------------


def test_calls_per_second_are_those_of_the_recent_past() -> None:
    pace = Pace()
    for second in range(101):
        pace.note(
            Sample(elapsed_s=float(second), calls=second * 10 if second < 50 else 500 + (second - 50) * 2, items_done=0)
        )
    assert pace.calls_per_s() == pytest.approx(2.0)


def test_what_is_left_follows_from_the_tasks_done_by_this_process() -> None:
    pace = Pace()
    pace.note(Sample(elapsed_s=0.0, calls=0, items_done=20))
    assert pace.remaining_s(40) is None
    pace.note(Sample(elapsed_s=50.0, calls=0, items_done=30))
    assert pace.remaining_s(40) == pytest.approx(50.0)
    assert pace.remaining_s(30) == 0.0


def test_nothing_is_guessed_before_there_is_anything_to_go_by() -> None:
    pace = Pace()
    assert (pace.calls_per_s(), pace.remaining_s(40)) == (None, None)
    pace.note(Sample(elapsed_s=1.0, calls=5, items_done=0))
    assert (pace.calls_per_s(), pace.remaining_s(40)) == (None, None)


# -- live -------------------------------------------------------------------------------------------------------------


def test_a_line_tells_everything_worth_watching() -> None:
    pace = Pace()
    pace.note(Sample(elapsed_s=0.0, calls=0, items_done=0))
    pace.note(Sample(elapsed_s=60.0, calls=18_000, items_done=20))
    fields = progress_fields(HALFWAY, pace, items_done=20, items_total=40, elapsed_s=60.0)
    assert progress_line(fields) == (
        "tasks 20 of 40 · episodes 1,200 of 2,400 planned, 3 failed · in flight 64 · forks 210 · calls/s 300.0 · success 75.0% · "
        "tokens 5,250,000 · elapsed 1 min 00 s · left about 1 min 00 s"
    )


def test_failures_are_told_only_where_there_are_any() -> None:
    fields = progress_fields(replace(HALFWAY, episodes_failed=0), Pace(), items_done=0, items_total=1, elapsed_s=0.0)
    assert "failed" not in progress_line(fields)


def test_a_pipe_gets_few_lines_and_the_last_state() -> None:
    out = io.StringIO()
    display = make_display(out)
    assert isinstance(display, PlainDisplay)
    for second in range(12):
        display.update(HALFWAY, items_done=second, items_total=40, elapsed_s=float(second))
    assert out.getvalue().count("\n") == 12 // int(LINE_EVERY_S) + 1
    display.close()
    lines = out.getvalue().splitlines()
    assert [line.split(" · ")[0] for line in lines] == [
        "tasks 0 of 40",
        "tasks 5 of 40",
        "tasks 10 of 40",
        "tasks 11 of 40",
    ]
    display.close()
    assert out.getvalue().splitlines() == lines


def test_a_display_that_was_told_nothing_shows_nothing() -> None:
    out = io.StringIO()
    PlainDisplay(out).close()
    assert out.getvalue() == ""


def test_a_terminal_gets_a_block_that_is_redrawn() -> None:
    out = Terminal()
    display = make_display(out)
    assert isinstance(display, RichDisplay)
    display.update(HALFWAY, items_done=20, items_total=40, elapsed_s=60.0)
    display.update(HALFWAY, items_done=21, items_total=40, elapsed_s=61.0)
    display.close()
    assert "20 of 40" in out.getvalue()
    assert "21 of 40" in out.getvalue()


# -- summary ----------------------------------------------------------------------------------------------------------


def test_the_summary_tells_everything_and_ends_with_what_to_type() -> None:
    assert summary_rows(DONE) == [
        ("run", "quickstart-1a2b3c4d: complete"),
        ("tasks", "40 of 40"),
        ("episodes", "2,400 planned, 1,200 settled, 3 failed"),
        ("failed by", "3 (rate_limit 2, timeout 1)"),
        ("forks", "210"),
        ("success rate", "75.0% of settled episodes"),
        ("values", "420 (message 300, write 120)"),
        ("labels", "420 (approve 200, revise 100, abstain 120)"),
        ("LLM calls", "18,000 (actor 12,000, user 6,000, critic 0)"),
        ("tokens", "5,000,000 prompt, 250,000 completion"),
        ("cost", "$0.00"),
        ("wall time", "1 min 35 s"),
        ("content hash", "0123456789abcdef0123456789abcdef"),
        ("root", "data/quickstart"),
        ("next", "treeroll export quickstart-1a2b3c4d --format critic-sft"),
    ]


def test_a_judges_calls_are_told_where_there_are_any() -> None:
    judged = replace(HALFWAY, spend=replace(HALFWAY.spend, judge_calls=1200))
    told = dict(summary_rows(replace(DONE, progress=judged)))["LLM calls"]
    assert told == "19,200 (actor 12,000, user 6,000, critic 0, judge 1,200)"


def test_a_run_without_failures_has_no_row_for_them() -> None:
    assert "failed by" not in dict(summary_rows(replace(DONE, failures={})))


def test_a_run_without_labels_says_none() -> None:
    assert dict(summary_rows(replace(DONE, labels={})))["labels"] == "0"


def test_a_run_that_settled_nothing_has_no_success_rate() -> None:
    assert dict(summary_rows(replace(DONE, progress=Progress(episodes_failed=4))))["success rate"] == "-"


def test_a_piped_summary_keeps_every_row_on_one_line() -> None:
    out = io.StringIO()
    print_summary(replace(DONE, root="s3://bucket/" + "x" * 300), out)
    assert len(out.getvalue().splitlines()) == len(summary_rows(DONE))
    assert "content hash  0123456789abcdef0123456789abcdef" in out.getvalue()


def test_a_summary_on_a_terminal_takes_text_as_it_is() -> None:
    out = Terminal()
    print_summary(replace(DONE, root="[red]data[/red]"), out)
    assert "[red]data[/red]" in out.getvalue()
