"""Seeded storms: kill workers, drivers and the storage server over and over until the run completes; then count what is lost.

    python -m tests.chaos.storm [--storms 20] [--seed 0]

From a storm's seed follow its setting and its blows. Afterwards `treeroll verify` must pass, every row must be that of an
undisturbed run, and a kill may have cost no more paid calls than were in flight, or answered within one flush interval before it. A
storm that fails prints its blows and the command that repeats it.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.benchmarks.table import print_table
from tests.chaos.rows import Seen, look
from tests.chaos.runs import RUN_ID, Place, Players, Setting, place
from tests.chaos.schedule import schedule
from tests.chaos.striking import StruckRun
from tests.end_to_end.process import treeroll

SETTINGS = (
    Setting(players="models", pool="local", where="directory"),
    Setting(players="models", pool="local", where="s3"),
    Setting(players="stand-ins", pool="local", where="directory"),
    Setting(players="models", pool="local", where="s3"),
    Setting(players="models", pool="ray", where="s3"),
)
# a seed has the setting of its remainder; Ray takes long to start, so it is one in five
TASKS, BLOWS = 14, 14


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    setting: Setting
    kills: Counter[str]
    wall_s: float
    num_rows: int
    lost: int
    doubled: int
    unread: int
    # rows read that no marker publishes
    orphans: int
    # parts that killed writers left
    needed: int
    # paid calls of an undisturbed run
    asked: int
    allowed: int
    # to be repeated

    @property
    def repeated(self) -> int:
        return self.asked - self.needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    seen: Seen
    calls: int


@cache
def undisturbed(players: Players, tasks: int) -> Undisturbed:
    setting = Setting(players=players, pool="local", where="directory")
    with tempfile.TemporaryDirectory() as folder, place(setting, Path(folder, "calm"), tasks=tasks) as calm:
        code = calm.play().wait()
        assert code == 0, Path(folder, "calm", "log").read_text()
        return Undisturbed(seen=look(calm.store, RUN_ID), calls=calm.progress() if calm.url else 0)


def storm(seed: int, *, tasks: int = TASKS, blows: int = BLOWS) -> Report:
    """AssertionError, with what repeats it, when anything was lost, doubled, or paid for too often."""
    setting = SETTINGS[seed % len(SETTINGS)]
    coming = schedule(seed, targets=setting.targets, blows=blows, stride=setting.stride)
    expected = undisturbed(setting.players, tasks)
    with tempfile.TemporaryDirectory() as folder, place(setting, Path(folder, "storm"), tasks=tasks) as struck:
        run, began = StruckRun(struck), time.monotonic()
        try:
            run.weather(coming)
            return _checked(struck, run, expected, wall_s=time.monotonic() - began)
        except AssertionError as error:
            told = "\n  ".join(str(blow) for blow in coming)
            log = Path(folder, "storm", "log").read_text(errors="replace")[-3000:]
            again = f"python -m tests.chaos.storm --storms 1 --seed {seed} --tasks {tasks} --blows {blows}"
            raise AssertionError(f"{error}\n{setting}; blows:\n  {told}\nlog:\n{log}\nrepeat it: {again}") from error


def _checked(struck: Place, run: StruckRun, expected: Undisturbed, *, wall_s: float) -> Report:
    verified = treeroll("verify", "--root", struck.root, *struck.where)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    seen = look(struck.store, RUN_ID)
    assert expected.seen.content_hash in verified.stdout, f"another content hash than undisturbed:\n{verified.stdout}"
    report = Report(
        setting=struck.setting,
        kills=run.kills,
        wall_s=wall_s,
        num_rows=seen.rows.total(),
        lost=(expected.seen.rows - seen.rows).total(),
        doubled=(seen.rows - expected.seen.rows).total(),
        unread=seen.unread_rows,
        orphans=seen.orphans,
        needed=expected.calls,
        asked=struck.progress() if struck.url else 0,
        allowed=run.cost.allowed,
    )
    assert (report.lost, report.doubled, report.unread) == (0, 0, 0), report
    assert report.repeated <= report.allowed, f"{report.repeated} calls were paid for twice, {report.allowed} may be"
    return report


# -- the table --------------------------------------------------------------------------------------------------------

HEADING = (
    "who plays, where",
    "storms",
    "drivers, workers, servers killed",
    "rows",
    "lost",
    "doubled",
    "read without a marker",
    "parts left unread",
    "calls needed",
    "repeated",
    "allowed",
)


def _row(name: str, reports: Sequence[Report]) -> list[str]:
    kills = sum((report.kills for report in reports), Counter[str]())
    sums = [
        sum(getattr(report, column) for report in reports)
        for column in ("num_rows", "lost", "doubled", "unread", "orphans", "needed", "repeated", "allowed")
    ]
    struck = ", ".join(str(kills[target]) for target in ("driver", "worker", "server"))
    return [name, str(len(reports)), struck, *(f"{total:,}" for total in sums)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--storms", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the first storm; each further one has the next")
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--blows", type=int, default=BLOWS)
    chosen = parser.parse_args()
    reports = []
    for seed in range(chosen.seed, chosen.seed + chosen.storms):
        report = storm(seed, tasks=chosen.tasks, blows=chosen.blows)
        print(f"seed {seed}: {', '.join(_row(str(report.setting), [report]))}, {report.wall_s:.0f} s", flush=True)
        reports.append(report)
    names = dict.fromkeys(str(report.setting) for report in reports)
    rows = [_row(name, [report for report in reports if str(report.setting) == name]) for name in names]
    print_table(HEADING, [*rows, _row("all", reports)])


if __name__ == "__main__":
    main()
