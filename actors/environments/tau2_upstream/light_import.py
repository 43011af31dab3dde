"""Importing upstream's domains without the rest of the package, which imports litellm: 6 s and 220 MB in every worker.

Empty modules stand in, while upstream is imported and only where the real ones have not been imported before, for the
package's own front door, for `deepdiff` (2 s, for a comparison that is only displayed) and for `dotenv`, so that no file
`.env` that happens to lie about changes this process's environment. Its log is switched off: it writes a line for each call.
"""

from __future__ import annotations

import importlib
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from actors.environments.tau2_upstream.checkout import PACKAGE

LOG = "loguru"
# what upstream writes its log with
_LOCK = threading.RLock()
# two threads must neither meet the other's stand-ins nor take them away


@contextmanager
def light_imports(package: Path) -> Iterator[None]:
    """Within it, modules below the directory `package` of upstream's package can be imported."""
    stand_ins = {
        PACKAGE: _module(PACKAGE, __path__=[str(package)]),
        "deepdiff": _module("deepdiff", DeepDiff=None),
        "dotenv": _module("dotenv", load_dotenv=lambda *args, **options: True),
    }
    with _LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what upstream's code is warned of is not ours to mend
        added = {name for name, module in stand_ins.items() if sys.modules.setdefault(name, module) is module}
        with suppress(ImportError):  # whoever imports upstream's modules is told what is missing
            importlib.import_module(LOG).logger.disable(PACKAGE)
        try:
            yield
        finally:
            for name in added:
                del sys.modules[name]


def _module(name: str, **members: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module
