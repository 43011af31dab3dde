"""Upstream's scenario files as tasks: each file is read and parsed when a split first needs it, once per process.

Upstream divides each file's scenarios into training and test tasks in tables beside them (data/travel*_multiturn). Which are
test tasks is kept here as digests of their ids (`held_out.txt`), so that no training split ever holds one, whatever copy of
upstream is at hand.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors.environments.names import named
from actors.environments.userbench.source import INSTALL, SUPPORTED_COMMIT
from rollouts.episode import Task
from rollouts.errors import DataError, UsageError

BLOBS = {
    "22": "cb7f2fef8bb89a0e78feabe098e1ac06dfe9baa0",
    "33": "5f821b5b0e54a2825f3374f1ce7c884d19365943",
    "44": "f13d5068a03cde0b69e49eb0d9517b4846ded2f4",
    "233": "3a94c24bdedb98276ccea5eafb9271fa0f7c4a8d",
    "333": "d2e92308ee07f54534fcea04ef475a139d280662",
    "334": "9acfd7af9d4af2cd2b5e275010ea98591578b58b",
    "444": "9373958aa20e0d17068dcaccbf232b9635d5e4e6",
    "2222": "974c4457d1ace709ea3f2652ddd2dbb405db9052",
}
# preferences for each aspect of a trip → git's id of the file with such scenarios, at the supported commit
PARTS = ("train", "test")
HELD_OUT = Path(__file__).with_name("held_out.txt")
_TEXTS = ("scenario", "initial_description")
_NEEDED = (*_TEXTS, "dimensions", "wanted_num")
# keys that upstream's loader reads unasked


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    groups: tuple[str, ...]
    parts: tuple[str, ...] = PARTS


SPLITS: Mapping[str, Split] = {
    **{part: Split(groups=tuple(BLOBS), parts=(part,)) for part in PARTS},
    **{f"T-{group}": Split(groups=(group,)) for group in BLOBS},
    **{f"T-{group}/{part}": Split(groups=(group,), parts=(part,)) for group in BLOBS for part in PARTS},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    version: str
    # the commit; with a "+" when a scenario file is not that commit's
    data_hash: str
    # SHA-256 of the scenario files that are there


class Scenarios:
    def __init__(self, directory: Path, *, domain: str) -> None:
        """`directory` holds upstream's `travelgym_data_*.json`. UsageError when it holds none of them."""
        self._directory = directory
        self._domain = domain
        self._loaded: dict[str, Mapping[str, Task]] = {}
        if not any(self._path(group).is_file() for group in BLOBS):
            raise UsageError(f"there are no scenarios in {directory}, such as {self._path('22').name}; {INSTALL}")

    @functools.cached_property
    def identity(self) -> Identity:
        whole, version = hashlib.sha256(), SUPPORTED_COMMIT[:12]
        for group, blob in BLOBS.items():
            if (path := self._path(group)).is_file():
                content = path.read_bytes()
                whole.update(f"{group}\n{len(content)}\n".encode() + content)
                if _git_blob(content) != blob:
                    version = f"{SUPPORTED_COMMIT[:12]}+other-scenarios"
        return Identity(version=version, data_hash=whole.hexdigest())

    def tasks(self, split: str) -> Sequence[Task]:
        """In the files' order. A task says whether it is a training or a test task."""
        wanted = named(split, SPLITS, what="split of userbench")
        found = [task for group in wanted.groups for task in self._group(group).values()]
        return [task for task in found if task.split in wanted.parts]

    def find(self, task_id: str) -> Task | None:
        """The task of that id, None when there is none. Loads no further file than it must."""
        unread = [group for group in BLOBS if group not in self._loaded and self._path(group).is_file()]
        for group in [*self._loaded, *unread]:
            if task := self._group(group).get(task_id):
                return task
        return None

    def _group(self, group: str) -> Mapping[str, Task]:
        if group not in self._loaded:
            tasks = (self._task(name, record) for name, record in _records(self._path(group)))
            self._loaded[group] = {task.task_id: task for task in tasks}
        return self._loaded[group]

    def _task(self, task_id: str, record: Mapping[str, Any]) -> Task:
        part = "test" if _digest(task_id) in _held_out() else "train"
        return Task(task_id=task_id, domain=self._domain, split=part, data=record)

    def _path(self, group: str) -> Path:
        return self._directory / f"travelgym_data_{group}.json"


def _records(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each scenario of a file. UsageError when it is missing, DataError when it is damaged."""
    try:
        stored = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(f"the scenario file {path} is missing; {INSTALL}") from error
    except ValueError as error:
        raise DataError(f"the scenario file {path} is damaged: it should be JSON, but {error}; {INSTALL}") from error
    if not isinstance(stored, dict):
        raise DataError(
            f"the scenario file {path} should be an object of scenarios, but is {type(stored).__name__}; {INSTALL}"
        )
    for task_id, record in stored.items():
        if problem := _problem(record):
            raise DataError(f"the scenario file {path} is damaged: scenario {task_id!r} {problem}; {INSTALL}")
        yield task_id, record


def _problem(record: Any) -> str:
    """What upstream's loader would fail on; "" when it would not."""
    if not isinstance(record, dict):
        return f"should be an object, but is {type(record).__name__}"
    if missing := [key for key in _NEEDED if key not in record]:
        return f"has no {', '.join(missing)}"
    if wrong := [key for key in _TEXTS if not isinstance(record[key], str)]:
        return f"should have text as {', '.join(wrong)}"
    aspects = record["dimensions"]
    if not isinstance(aspects, list) or not all(isinstance(aspect, str) for aspect in aspects):
        return "should have a list of names as dimensions"
    return ""


@functools.cache
def _held_out() -> frozenset[str]:
    return frozenset(HELD_OUT.read_text(encoding="ascii").split())


def _digest(task_id: str) -> str:
    return hashlib.blake2b(task_id.encode(), digest_size=8).hexdigest()


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
