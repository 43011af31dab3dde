"""Upstream's modules, imported for us alone: under no name that anybody else could import or have imported.

What they import at module level the rules do not need: the OpenAI SDK, Gymnasium, and numpy, whose process-wide generator
upstream seeds when it is imported. They find stand-ins that do nothing; none of the three has to be installed, and none is
loaded or touched.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from actors.environments.userbench.source import INSTALL
from rollouts.errors import DataError

_NAME = "_treeroll_userbench"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    config: Any
    prompts: Any
    task_data: Any
    travel_env: Any
    utils: Any


def load_upstream(package: Path) -> Upstream:
    """`package` is the directory of `travelgym`. DataError when its code cannot be imported."""
    root = ModuleType(_NAME)
    root.__path__ = [str(package)]
    try:
        with _for_now({_NAME: root, **_stand_ins()}), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # upstream's own are not ours to mend
            importlib.invalidate_caches()
            importlib.import_module(f"{_NAME}.env.travel_env")
            found = {name: sys.modules[f"{_NAME}.{path}"] for name, path in _PATHS.items()}
    except (ImportError, AttributeError, SyntaxError) as error:
        raise DataError(f"UserBench's code in {package} cannot be imported: {error}; {INSTALL}") from error
    return Upstream(**found)


_PATHS = {
    "config": "config",
    "prompts": "env.prompts",
    "task_data": "env.task_data",
    "travel_env": "env.travel_env",
    "utils": "env.utils",
}


def _stand_ins() -> Mapping[str, ModuleType]:
    """With the names that are used while upstream is imported."""
    openai, gymnasium, spaces, numpy = map(ModuleType, ("openai", "gymnasium", "gymnasium.spaces", "numpy"))
    vars(openai).update(OpenAI=object, AsyncOpenAI=object)
    vars(gymnasium).update(Env=object, spaces=spaces)
    vars(numpy).update(random=SimpleNamespace(seed=lambda seed: None))
    return {module.__name__: module for module in (openai, gymnasium, spaces, numpy)}


@contextmanager
def _for_now(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """These are what an import finds; afterwards `sys.modules` is as it was, without what came below `_NAME`."""
    hidden = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name in modules or name.startswith(f"{_NAME}.")]:
            del sys.modules[name]
        sys.modules.update(hidden)
