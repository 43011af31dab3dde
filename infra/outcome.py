"""What a command says when it is done: plain rows of heading and text, and the one next command to type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TextIO

from infra.display import RunSummary, count_text, print_summary
from infra.launch import Ended, Prepared
from infra.prediction import compared, prediction_rows
from infra.runs import RunStatus
from infra.served_critics import read_served, served_rows
from rollouts.errors import DataError
from storage.export import ExportReport
from storage.reader import count_by
from storage.verify import VerifyReport

_HOW = {"complete": "complete", "failed": "failed", "stopped": "stopped", "interrupted": "interrupted"}


def print_outcome(prepared: Prepared, ended: Ended, stream: TextIO) -> None:
    """The final table of `treeroll run` and `treeroll resume`; of a run that its store stopped, perhaps only that."""
    try:
        summary = _summary(prepared, ended)
    except DataError:
        if ended.how != "stopped":
            raise
        print(f"run {prepared.run_id}: {_state(ended)}\nnext  {_resume(prepared)}", file=stream)
    else:
        print_summary(summary, stream)


def _state(ended: Ended) -> str:
    return f"{_HOW[ended.how]} ({ended.why})" if ended.why else _HOW[ended.how]


def _summary(prepared: Prepared, ended: Ended) -> RunSummary:
    status = prepared.now()
    return RunSummary(
        run_id=prepared.run_id,
        state=_state(ended),
        items_done=len(status.receipts),
        items_total=len(prepared.items),
        progress=status.progress,
        values=_counts(prepared, "values", "kind"),
        labels=_counts(prepared, "labels", "label"),
        failures=_counts(prepared, "episodes", "failure_kind") if status.progress.episodes_failed else {},
        wall_s=ended.wall_s,
        content_hash=status.content_hash,
        root=prepared.config.storage.root,
        next_command=_next_command(prepared, status),
        predicted=_predicted(prepared, ended, status),
        replicas=served_rows(read_served(prepared.store, prepared.run_id)),
    )


def _predicted(prepared: Prepared, ended: Ended, status: RunStatus) -> list[tuple[str, str]]:
    """Only a run that is all there can be compared, and its time only with this session's, where it played everything."""
    if status.state != "done" or status.early_stops:
        return []
    wall_s = None if prepared.before.receipts else ended.wall_s
    return prediction_rows(compared(status.record.forecast, status.progress.spend, wall_s=wall_s))


def _counts(prepared: Prepared, table: str, column: str) -> dict[str, int]:
    storage = prepared.config.storage
    return count_by(storage.root, table, column, run_id=prepared.run_id, endpoint_url=storage.endpoint_url)


def _next_command(prepared: Prepared, status: RunStatus) -> str:
    if status.state == "done":
        return f"treeroll export {prepared.run_id} --format critic-sft {_where(prepared)}"
    return _resume(prepared)


def _resume(prepared: Prepared) -> str:
    return f"treeroll resume {prepared.run_id} {_where(prepared)}"


def _where(prepared: Prepared) -> str:
    storage = prepared.config.storage
    return f"--root {storage.root}" + (f" --endpoint-url {storage.endpoint_url}" if storage.endpoint_url else "")


def print_verification(reports: Sequence[VerifyReport], stream: TextIO) -> None:
    """A line for each problem, then for each run what was checked and its content hash."""
    for report in reports:
        for problem in report.problems:
            print(f"{report.run_id}: {problem}", file=stream)
        found = f"{len(report.problems)} problems" if report.problems else "everything is as it should be"
        print(f"{report.run_id}: {found}; content hash {report.content_hash}", file=stream)


def export_rows(report: ExportReport) -> list[tuple[str, str]]:
    """`treeroll export`: what was made, what was left out of it, and how to open it."""
    made = "" if report.created else " (was there already, with the same content)"
    rows = [
        ("dataset", f"{report.name}: {report.format}{made}"),
        ("rows", _splits(report.rows)),
        ("tasks", _splits(report.tasks)),
        ("left out", f"{count_text(report.left_out)} without a claim, {count_text(report.duplicates)} duplicates"),
        ("bytes", count_text(report.num_bytes)),
        ("at", report.uri),
    ]
    if report.items_settled < report.items_planned:
        unfinished = f"only {report.items_settled} of {report.items_planned} tasks are published; the card says so"
        rows.append(("unfinished", unfinished))
    return rows


def _splits(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count_text(count)}" for split, count in counts.items())
