"""Upstream's modules are imported without litellm, and nobody notices afterwards."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from types import ModuleType

import pytest

from actors.environments.tau_bench.light_import import HEAVY, light_imports

SOURCE = f"from {HEAVY} import completion, provider_list\n"


@pytest.fixture
def without_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, HEAVY, raising=False)


def _imported(root: Path, name: str) -> ModuleType:
    (root / f"{name}.py").write_text(SOURCE)
    importlib.invalidate_caches()
    with light_imports(str(root)):
        module = importlib.import_module(name)
    del sys.modules[name]
    return module


def test_a_module_that_wants_litellm_is_imported_without_it(without_heavy: None, tmp_path: Path) -> None:
    path = list(sys.path)
    module = _imported(tmp_path, "light_one")
    assert module.provider_list == []
    with pytest.raises(RuntimeError, match="cannot call a model"):
        module.completion(model="any")
    assert HEAVY not in sys.modules
    assert sys.path == path


def test_what_was_imported_before_is_used_and_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = ModuleType(HEAVY)
    vars(real).update(completion=print, provider_list=["openai"])
    monkeypatch.setitem(sys.modules, HEAVY, real)
    assert _imported(tmp_path, "light_two").completion is print
    assert sys.modules[HEAVY] is real


def test_an_import_that_fails_leaves_nothing_behind(without_heavy: None, tmp_path: Path) -> None:
    path = list(sys.path)
    with pytest.raises(ModuleNotFoundError), light_imports(str(tmp_path)):
        importlib.import_module("light_none")
    assert HEAVY not in sys.modules
    assert sys.path == path


def test_threads_neither_meet_nor_take_away_each_others_stand_in(without_heavy: None, tmp_path: Path) -> None:
    found: list[ModuleType] = []
    threads = [
        threading.Thread(target=lambda name=name: found.append(_imported(tmp_path, name)))
        for name in (f"light_thread_{index}" for index in range(16))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == len(threads)
    assert HEAVY not in sys.modules
