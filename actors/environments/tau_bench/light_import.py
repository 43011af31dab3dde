"""Importing upstream's modules without litellm, which they import for model calls that never happen here.

It costs 4 s and 190 MB in every worker, and offline it asks the network first. An empty module stands in for it while
upstream is imported, and only where litellm itself has not been imported before.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import NoReturn

HEAVY = "litellm"
_LOCK = threading.RLock()
# two threads must neither meet the other's stand-in nor take it away


@contextmanager
def light_imports(root: str) -> Iterator[None]:
    """Within it, packages below the directory `root` can be imported, and come before installed ones."""
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what upstream's code is warned of is not ours to mend
        stand_in = _stand_in()
        added = sys.modules.setdefault(HEAVY, stand_in) is stand_in
        sys.path.insert(0, root)
        try:
            yield
        finally:
            sys.path.remove(root)
            if added:
                del sys.modules[HEAVY]


def _stand_in() -> ModuleType:
    module = ModuleType(HEAVY)
    vars(module).update(completion=_no_model, provider_list=[])
    return module


def _no_model(*args: object, **kwargs: object) -> NoReturn:
    raise RuntimeError(f"this process imported tau_bench without {HEAVY}: its own users and agents cannot call a model")
