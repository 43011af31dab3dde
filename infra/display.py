"""What a run shows of itself: live while it goes on, one table when it is over.

Displays only format. They read no clock and count nothing themselves; what they are told is `rollouts.receipt.Progress`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from rollouts.receipt import Progress

LINE_EVERY_S = 5.0
# plain lines end up in logs: often enough to see life, seldom enough to read
WINDOW_S = 30.0
# calls per second are a mean over so much of the recent past
BAR_WIDTH = 40


class Display(Protocol):
    def update(self, progress: Progress, *, items_done: int, items_total: int, elapsed_s: float) -> None:
        """Called as often as the caller likes. Items are tasks' trees; those done by an earlier part of the run count."""

    def note(self, text: str) -> None:
        """A line of its own, at once."""

    def close(self) -> None:
        """Show the last state and give the terminal back."""


def make_display(stream: TextIO) -> Display:
    return RichDisplay(stream) if stream.isatty() else PlainDisplay(stream)


# -- pace -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    elapsed_s: float
    calls: int
    items_done: int


class Pace:
    """How fast the run goes, from what it told before."""

    def __init__(self) -> None:
        self._first: Sample | None = None
        self._recent: deque[Sample] = deque()

    def note(self, sample: Sample) -> None:
        self._first = self._first or sample
        self._recent.append(sample)
        while len(self._recent) > 2 and sample.elapsed_s - self._recent[1].elapsed_s >= WINDOW_S:
            self._recent.popleft()

    def calls_per_s(self) -> float | None:
        """Over the last WINDOW_S; None before there is anything to compare."""
        if not self._recent:
            return None
        first, last = self._recent[0], self._recent[-1]
        passed = last.elapsed_s - first.elapsed_s
        return (last.calls - first.calls) / passed if passed > 0 else None

    def remaining_s(self, items_total: int) -> float | None:
        """Until all items are done, at the mean pace of this process; None before it has finished one."""
        if self._first is None:
            return None
        last = self._recent[-1]
        done = last.items_done - self._first.items_done
        if done <= 0:
            return None
        return (last.elapsed_s - self._first.elapsed_s) / done * max(0, items_total - last.items_done)


# -- text -------------------------------------------------------------------------------------------------------------


def progress_fields(
    progress: Progress, pace: Pace, *, items_done: int, items_total: int, elapsed_s: float
) -> list[tuple[str, str]]:
    """Heading and text of everything worth watching, in order."""
    calls_per_s, remaining_s = pace.calls_per_s(), pace.remaining_s(items_total)
    failed = f", {count_text(progress.episodes_failed)} failed" if progress.episodes_failed else ""
    return [
        ("tasks", f"{count_text(items_done)} of {count_text(items_total)}"),
        (
            "episodes",
            f"{count_text(progress.episodes_settled)} of {count_text(progress.episodes_planned)} planned{failed}",
        ),
        ("in flight", count_text(progress.in_flight)),
        ("forks", count_text(progress.forks)),
        ("calls/s", "-" if calls_per_s is None else f"{calls_per_s:,.1f}"),
        ("success", success_text(progress)),
        ("tokens", count_text(progress.spend.tokens)),
        ("elapsed", duration_text(elapsed_s)),
        ("left", "-" if remaining_s is None else f"about {duration_text(remaining_s)}"),
    ]


def progress_line(fields: list[tuple[str, str]]) -> str:
    return " · ".join(f"{heading} {text}" for heading, text in fields)


def success_text(progress: Progress) -> str:
    """The share of settled episodes with a return of 1; failed episodes have no return and do not count."""
    if not progress.episodes_settled:
        return "-"
    return f"{progress.successes / progress.episodes_settled:.1%}"


def count_text(count: int) -> str:
    return f"{count:,}"


def cost_text(cost_usd: float | None) -> str:
    """Small sums keep their digits: a call costs a fraction of a cent."""
    if cost_usd is None:
        return "unknown (set the prices of every chat model to have it counted)"
    return f"${cost_usd:,.2f}" if cost_usd >= 1 or cost_usd == 0 else f"${cost_usd:.4f}"


def duration_text(seconds: float) -> str:
    """ "8 s", "2 min 05 s", "3 h 07 min": two units are enough for a reader."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(whole / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


# -- live -------------------------------------------------------------------------------------------------------------


class PlainDisplay:
    """A line every LINE_EVERY_S, for logs and pipes; the last state is always among them."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._pace = Pace()
        self._shown_s: float | None = None
        self._waiting: str | None = None

    def update(self, progress: Progress, *, items_done: int, items_total: int, elapsed_s: float) -> None:
        self._pace.note(Sample(elapsed_s=elapsed_s, calls=progress.spend.calls, items_done=items_done))
        self._waiting = progress_line(
            progress_fields(progress, self._pace, items_done=items_done, items_total=items_total, elapsed_s=elapsed_s)
        )
        if self._shown_s is None or elapsed_s - self._shown_s >= LINE_EVERY_S:
            self._shown_s = elapsed_s
            self._show()

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        self._show()

    def _show(self) -> None:
        if self._waiting is not None:
            print(self._waiting, file=self._stream, flush=True)
            self._waiting = None


class RichDisplay:
    """A block of a terminal that is redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        self._live = Live(console=Console(file=stream), auto_refresh=False)
        self._pace = Pace()

    def update(self, progress: Progress, *, items_done: int, items_total: int, elapsed_s: float) -> None:
        self._pace.note(Sample(elapsed_s=elapsed_s, calls=progress.spend.calls, items_done=items_done))
        fields = progress_fields(
            progress, self._pace, items_done=items_done, items_total=items_total, elapsed_s=elapsed_s
        )
        bar = ProgressBar(total=max(1, items_total), completed=items_done, width=BAR_WIDTH)
        self._live.start()
        self._live.update(Group(bar, _grid(fields)), refresh=True)

    def note(self, text: str) -> None:
        self._live.console.print(Text(text))

    def close(self) -> None:
        self._live.stop()


def _grid(rows: list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for heading, text in rows:
        table.add_row(Text(heading, style="dim"), Text(text))
    return table


# -- summary ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Everything the last table says."""

    run_id: str
    state: str
    # "complete", "stopped at a limit", "interrupted", "failed"
    items_done: int
    items_total: int
    progress: Progress
    # of the whole run, earlier parts included
    values: Mapping[str, int]
    # rows of the values table, by a name such as the kind of step
    labels: Mapping[str, int]
    # by label: approve, revise, abstain
    failures: Mapping[str, int]
    # episodes that were not played to an end, by kind of failure
    wall_s: float
    # of this process
    content_hash: str
    root: str
    next_command: str
    # the one that most readers will want to type now
    predicted: Sequence[tuple[str, str]] = ()
    # rows: what was foretold, and by how much it was wrong
    replicas: Sequence[tuple[str, str]] = ()
    # likewise: what those of the critic did


def summary_rows(run: RunSummary) -> list[tuple[str, str]]:
    """Heading and text, in order."""
    progress, spend = run.progress, run.progress.spend
    calls = {role: made for role, made in spend.calls_by_role.items() if made or role != "judge"}
    return [
        ("run", f"{run.run_id}: {run.state}"),
        ("tasks", f"{count_text(run.items_done)} of {count_text(run.items_total)}"),
        (
            "episodes",
            f"{count_text(progress.episodes_planned)} planned, {count_text(progress.episodes_settled)} settled, "
            f"{count_text(progress.episodes_failed)} failed",
        ),
        *([("failed by", counts_text(run.failures))] if run.failures else []),
        ("forks", count_text(progress.forks)),
        ("success rate", f"{success_text(progress)} of settled episodes" if progress.episodes_settled else "-"),
        ("values", counts_text(run.values)),
        ("labels", counts_text(run.labels)),
        ("LLM calls", counts_text(calls)),
        ("tokens", f"{count_text(spend.prompt_tokens)} prompt, {count_text(spend.completion_tokens)} completion"),
        ("cost", cost_text(spend.cost_usd)),
        ("wall time", duration_text(run.wall_s)),
        *run.predicted,
        *run.replicas,
        ("content hash", run.content_hash),
        ("root", run.root),
        ("next", run.next_command),
    ]


def print_summary(run: RunSummary, stream: TextIO) -> None:
    """A table on a terminal; elsewhere one line a row, never wrapped, so that it can be searched and copied."""
    rows = summary_rows(run)
    if stream.isatty():
        Console(file=stream).print(_grid(rows))
        return
    width = max(len(heading) for heading, _ in rows)
    for heading, text in rows:
        print(f"{heading:<{width}}  {text}", file=stream)
    stream.flush()


def counts_text(counts: Mapping[str, int]) -> str:
    """ "12 (approve 8, revise 4)": the sum, then its parts."""
    parts = ", ".join(f"{name} {count_text(count)}" for name, count in counts.items())
    return f"{count_text(sum(counts.values()))} ({parts})" if parts else "0"
