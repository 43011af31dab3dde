"""Die at every system call that changes a directory, one after the other: `python -m tests.storage.dying_writer ROOT`.

An audit hook sees each file that is about to be created, linked, renamed or removed. At the chosen one the process is dead: that
call and all later ones fail, those of `finally` blocks too, so temporary files stay behind as they do after a kill. In a process of
its own, because an audit hook stays for the life of the process. Prints for each job how many deaths it survived.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from storage.compaction import compact
from storage.objects import TendedStore, open_store
from storage.verify import VerifyReport, verify_run
from tests.storage.published_runs import publish
from tests.storage.test_crash_points import ITEMS, JOBS

CHANGES = {"os.link", "os.rename", "os.remove", "os.mkdir"}
CREATING = os.O_CREAT | os.O_WRONLY | os.O_RDWR


class Death(BaseException):
    """Nothing of this process happens any more."""


@dataclass(slots=True)
class Fate:
    root: str
    calls_left: int | None = None
    # until death; None: immortal

    def audit(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.calls_left is None or not self._changes(event, arguments):
            return
        if self.calls_left <= 0:
            self.calls_left = 0
            raise Death
        self.calls_left -= 1

    def _changes(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event == "open":
            _, _, flags = arguments
            return isinstance(flags, int) and bool(flags & CREATING) and self._is_ours(arguments[0])
        return event in CHANGES and self._is_ours(arguments[0])

    def _is_ours(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and str(path).startswith(self.root)


def main(root: str) -> int:
    sound = Path(root, "sound")
    publish(open_store(str(sound)), items=range(1), planned=ITEMS)
    fate = Fate(root)
    sys.addaudithook(fate.audit)
    print(json.dumps({name: _survive(name, sound, fate) for name in JOBS}))
    return 0


def _survive(name: str, sound: Path, fate: Fate) -> int:
    """Each death is died in a copy of its own. (That the job can be done afterwards: tests.storage.test_crash_points.)"""
    job, sound = JOBS[name], _with_work(name, sound)
    before, deaths, left = verify_run(open_store(str(sound)), "run-1"), 0, 0
    while True:
        store = open_store(str(shutil.copytree(sound, sound.with_name(f"{name}-{deaths}"))))
        if not _dies(job.run, store, fate, calls=deaths):
            return deaths if left else 0
        deaths += 1
        after = verify_run(store, "run-1")
        assert job.changes_rows or after.content_hash == before.content_hash, f"{name}: death {deaths} changed the rows"
        assert not _problems(after), f"{name}: death {deaths}: {_problems(after)}"
        left += len(list(store.unfinished("")))


def _with_work(name: str, sound: Path) -> Path:
    """A second item to compact, and for the collector a generation that makes the own parts of both garbage."""
    folder = shutil.copytree(sound, sound.with_name(f"sound-{name}"))
    store = open_store(str(folder))
    publish(store, items=range(1, 2), planned=ITEMS)
    if name == "collect":
        compact(store, "run-1")
    return folder


def _dies(job: Callable[[TendedStore], object], store: TendedStore, fate: Fate, *, calls: int) -> bool:
    fate.calls_left = calls
    try:
        job(store)
    except Death:
        return True
    finally:
        fate.calls_left = None
    return False


def _problems(report: VerifyReport) -> list[str]:
    return [problem for problem in report.problems if "resume the run" not in problem]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
