"""Looking after a root: what `treeroll compact` and `treeroll gc` do and say. Both may run beside a run that is being played."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from rollouts.errors import UsageError
from storage.collect import Garbage, collect_garbage, store_time
from storage.compaction import CompactionReport, compact
from storage.objects import ObjectStore, TendedStore
from storage.root import check_root
from storage.runs import list_runs, read_run
from storage.sealing import SealReport, seal

_SECONDS_PER_HOUR = 3600.0
_SHOWN = 10
# parts named by a dry run


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    compaction: CompactionReport
    sealing: SealReport


def compact_runs(store: ObjectStore, *, run_id: str | None, target_mib: int, root: str) -> list[Compacted]:
    """Compact and seal one run, or every run of the root. UsageError when there is none."""
    check_root(store)
    runs = list_runs(store) if run_id is None else [read_run(store, run_id).run_id]
    if not runs:
        raise UsageError(f"no run at {root}; give the root that `treeroll run` wrote to")
    return [
        Compacted(compaction=compact(store, run, target_bytes=target_mib * 2**20), sealing=seal(store, run))
        for run in runs
    ]


def compact_rows(done: Iterable[Compacted]) -> list[tuple[str, str]]:
    """`treeroll compact`, a line for each run."""
    return [(each.compaction.run_id, f"{_compaction(each.compaction)}; {_sealing(each.sealing)}") for each in done]


def collect(store: TendedStore, *, grace_hours: float, dry_run: bool) -> Garbage:
    """A dry run writes nothing, so it goes by this machine's clock instead of the store's."""
    check_root(store)
    now = time.time() if dry_run else store_time(store)
    return collect_garbage(store, now=now, grace_s=grace_hours * _SECONDS_PER_HOUR, dry_run=dry_run)


def garbage_rows(found: Garbage, *, dry_run: bool) -> list[tuple[str, str]]:
    """`treeroll gc`: what went, or what would go."""
    done = "would be removed" if dry_run else "removed"
    rows = [
        (
            "parts",
            f"{len(found.parts):,} {done}, {_size(found.num_bytes)}; {found.kept_young:,} unwanted ones are too young",
        ),
        ("unfinished", f"{len(found.unfinished):,} writes that ended half-way {done}"),
    ]
    if dry_run:
        rows += [("", part.key) for part in found.parts[:_SHOWN]]
        rows += [("", f"and {len(found.parts) - _SHOWN:,} more")] if len(found.parts) > _SHOWN else []
    return rows


def _compaction(report: CompactionReport) -> str:
    if report.overtaken:
        return "another compaction was quicker; nothing was changed"
    if not report.created:
        return f"{report.parts_before:,} parts, {_size(report.bytes_before)}: nothing to gain"
    return (
        f"{report.parts_before:,} parts, {_size(report.bytes_before)}, are now "
        f"{report.parts_after:,}, {_size(report.bytes_after)}; `treeroll gc` removes the old ones a day from now"
    )


def _sealing(report: SealReport) -> str:
    return f"{report.sealed:,} markers sealed, {report.loose:,} not"


def _size(num_bytes: int) -> str:
    size, unit = float(num_bytes), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
