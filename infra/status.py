"""`treeroll status`: how far a run has come, from what is published; as a record for scripts and as rows for people."""

from __future__ import annotations

from typing import Any

from infra.display import cost_text, count_text, counts_text
from infra.prediction import compared
from infra.runs import RunStatus, read_status
from infra.served_critics import read_served, served_rows
from rollouts.episode import Spend
from storage.objects import ObjectStore
from storage.reader import count_by


def status_record(store: ObjectStore, run_id: str, *, root: str, endpoint_url: str = "") -> dict[str, Any]:
    """What `treeroll status --json` prints; scripts read it, so names stay. UsageError when there is no such run."""
    status = read_status(store, run_id)
    progress = status.progress
    planned_items = len(status.record.items)
    waiting = planned_items - len(status.receipts) - len(status.failures)
    spend: Spend = progress.spend
    failed_by: dict[str, int] = {}
    if progress.episodes_failed:
        failed_by = count_by(root, "episodes", "failure_kind", run_id=run_id, endpoint_url=endpoint_url)
    return {
        "run_id": run_id,
        "state": status.state,
        "root": root,
        "items": {"planned": planned_items, "settled": len(status.receipts), "failed": len(status.failures)},
        "episodes": {
            "planned": progress.episodes_planned + waiting * _trunks(status),
            "settled": progress.episodes_settled,
            "failed": progress.episodes_failed,
        },
        "failed_by": failed_by,
        "successes": progress.successes,
        "forks": progress.forks,
        "early_stops": status.early_stops,
        "rows": status.rows,
        "llm_calls": spend.calls_by_role,
        "tokens": spend.tokens,
        "cost_usd": spend.cost_usd,
        "content_hash": status.content_hash,
        "predicted": _predicted(status),
        "failures": {item: {"kind": f.kind.value, "message": f.message} for item, f in status.failures.items()},
        "served": read_served(store, run_id),
    }


def _predicted(status: RunStatus) -> dict[str, Any]:
    """Calls, tokens and cost beside what was foretold; empty until every task is there. Times are not stored."""
    if status.state != "done" or status.early_stops:
        return {}
    return compared(status.record.forecast, status.progress.spend, wall_s=None)


def _trunks(status: RunStatus) -> int:
    branching: Any = status.record.config.get("branching", {})
    return int(branching.get("trunks", 1))


def status_rows(record: dict[str, Any]) -> list[tuple[str, str]]:
    """The same for people; `record` is `status_record`."""
    items, episodes = record["items"], record["episodes"]
    rows = [
        ("run", f"{record['run_id']}: {record['state']}"),
        (
            "tasks",
            f"{count_text(items['settled'])} of {count_text(items['planned'])} settled, {items['failed']} failed",
        ),
        (
            "episodes",
            f"{count_text(episodes['planned'])} planned, {count_text(episodes['settled'])} settled, {episodes['failed']} failed",
        ),
        ("forks", count_text(record["forks"])),
        ("rows", ", ".join(f"{table} {count_text(count)}" for table, count in record["rows"].items()) or "none"),
        ("LLM calls", counts_text(record["llm_calls"])),
        ("tokens", count_text(record["tokens"])),
        ("cost", cost_text(record["cost_usd"])),
        ("content hash", record["content_hash"]),
        ("root", record["root"]),
    ]
    if record["failed_by"]:
        rows.append(("failed by", counts_text(record["failed_by"])))
    if record["early_stops"]:
        rows.append(
            (
                "cut short",
                f"{record['early_stops']} tasks ended early at a limit; their rows are valid, their counts smaller",
            )
        )
    rows += [("failure", f"{item}: {f['kind']}: {f['message']}") for item, f in record["failures"].items()]
    return rows + served_rows(record["served"])
