"""What happens on a disk that is small, full, larger again and read-only: `python -m tests.storage.small_disk FOLDER`.

Mounts a tmpfs over FOLDER, so it must run in a mount namespace of its own. Prints what was found, as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

from rollouts.errors import DataError, UsageError
from storage.collect import GRACE_S, collect_garbage, store_time
from storage.compaction import compact
from storage.markers import read_markers
from storage.objects import TendedStore, open_store
from storage.sealing import seal
from storage.verify import verify_run
from storage.writer import ParquetSink
from tests.storage.published_runs import publish
from tests.storage.trees import STAMP, labelling, sample_tree, work_item

PLANNED = 10
SMALL, LARGE = "300k", "64m"


def main(folder: str) -> int:
    mount("-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", folder)
    store = open_store(f"{folder}/root")
    publish(store, items=range(1), planned=PLANNED)
    found: dict[str, object] = {"full": trouble(lambda: fill(store))}
    found["left_half_written"] = len(list(store.unfinished("")))
    found["published"] = len(list(read_markers(store, "run-1")))
    found["problems_when_full"] = problems(store)
    found["upkeep_when_full"] = [
        trouble(lambda: compact(store, "run-1")),
        trouble(lambda: seal(store, "run-1", at_least=1)),
    ]
    found["problems_after_upkeep"] = problems(store)
    mount("-o", f"remount,size={LARGE}", folder)
    found["larger"] = trouble(lambda: fill(store))
    found["problems_at_the_end"] = list(verify_run(store, "run-1").problems)
    mount("-o", "remount,ro", folder)
    found["read_only"] = [
        trouble(lambda: compact(store, "run-1")),
        trouble(lambda: seal(store, "run-1", at_least=1)),
        trouble(lambda: collect_garbage(store, now=store_time(store) + 2 * GRACE_S)),
    ]
    found["problems_read_only"] = list(verify_run(store, "run-1").problems)
    print(json.dumps(found))
    return 0


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def fill(store: TendedStore) -> None:
    for index in range(PLANNED):
        ParquetSink(store, STAMP, labelling).write(sample_tree(work_item(index)))


def trouble(work: Callable[[], object]) -> str:
    """What it raised, in words."""
    try:
        work()
    except (DataError, UsageError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def problems(store: TendedStore) -> list[str]:
    return [problem for problem in verify_run(store, "run-1").problems if "resume the run" not in problem]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
