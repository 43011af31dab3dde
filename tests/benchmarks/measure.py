"""What benchmarks measure with: CPU time, memory held, memory of the process."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds, and what `work` returned."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def held_bytes(root: object, shared: object) -> int:
    """Memory of everything reachable from `root` and not from `shared`."""
    seen = {id(found) for found in _reachable(shared, set())}
    return sum(sys.getsizeof(found) for found in _reachable(root, seen))


def _reachable(root: object, seen: set[int]) -> Iterator[object]:
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, type | ModuleType | FunctionType):
            continue
        seen.add(id(found))
        yield found
        waiting.extend(gc.get_referents(found))


def resident_mb() -> float:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20
