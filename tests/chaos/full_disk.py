"""A run on a small disk of its own: `unshare --map-root-user --mount python -m tests.chaos.full_disk FOLDER KIB SETTING...`.

In a process with its own mounts, because the disk is a tmpfs that nobody else shall see. The run stops when the disk is full and is
resumed when there is room; what happened is printed as JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys

from storage.objects import open_store
from tests.chaos.rows import look
from tests.end_to_end.process import settings, treeroll

RUN_ID = "full"


def main() -> None:
    folder, kib, *overrides = sys.argv[1:]
    command = ("run", "smoke", "--root", folder, "--run-id", RUN_ID, *settings(overrides))
    _mount("-t", "tmpfs", "-o", f"size={kib}k", "none", folder)
    stopped = treeroll(*command)
    store = open_store(folder)
    there, unfinished = look(store, RUN_ID), list(store.unfinished(""))
    _mount("-o", "remount,size=64m", folder)
    resumed = treeroll(*command)
    told = {
        "stopped": stopped.returncode,
        "said": stopped.stdout,
        "rows_before": there.rows.total(),
        "unfinished_before": len(unfinished),
        "resumed": resumed.returncode,
        "verified": treeroll("verify", "--root", folder).returncode,
        "content_hash": look(store, RUN_ID).content_hash,
    }
    print(json.dumps(told))


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


if __name__ == "__main__":
    main()
