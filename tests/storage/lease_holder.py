"""A process that holds a lease until it is told otherwise: `python -m tests.storage.lease_holder ROOT RUN`.

It says "held" when it has it and "lost" when it was taken over; a line on its standard input ends it.
"""

from __future__ import annotations

import sys

from rollouts.errors import UsageError
from storage.leases import LeaseTimes, hold_lease
from storage.objects import open_store

TIMES = LeaseTimes(beat_s=0.05, watch_s=60.0, look_s=0.02)


def main(root: str, run_id: str) -> int:
    try:
        with hold_lease(open_store(root), run_id, on_lost=lambda: print("lost", flush=True), times=TIMES) as lease:
            print("held", flush=True)
            sys.stdin.readline()
            lease.check()
    except UsageError as error:
        print(error, flush=True)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
