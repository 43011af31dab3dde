"""A file of tasks: one JSON object a line, with what made it. A reader takes only tasks made for the data that it plays on.

A file appears whole or not at all, and is never changed by accident: writing where another file stands is refused.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from actors.environments.blueprints.compose import content_id, id_prefix
from rollouts.episode import JsonValue, Task
from rollouts.errors import DataError, UsageError
from rollouts.identity import canonical_json
from rollouts.protocols import Environment, Provenance

REMAKE = "make the file again with `treeroll tasks make`"
AddLine: TypeAlias = Callable[[bytes], None]


def task_line(task: Task, *, made: Mapping[str, JsonValue]) -> bytes:
    """`made`: what made the task, and for what data (`data_of`)."""
    held: dict[str, Any] = {
        "task_id": task.task_id,
        "domain": task.domain,
        "split": task.split,
        "data": task.data,
        "made": dict(made),
    }
    return canonical_json(held).encode() + b"\n"


def data_of(provenance: Provenance) -> dict[str, JsonValue]:
    return {"source": provenance.source, "version": provenance.version, "data_hash": provenance.data_hash}


# -- writing ----------------------------------------------------------------------------------------------------------


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[AddLine]:
    """Takes the lines of a file, which is there when the block ends without an exception; until then nothing is.

    Where `path` exists and `force` is not given, the lines are compared with it: UsageError at the first that differs.
    """
    try:
        if path.exists() and not force:
            with path.open("rb") as existing:
                yield lambda line: _check_same(existing, line, path)
                _check_same(existing, b"", path)
        else:
            with _replacing(path) as add:
                yield add
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror or error}; choose another place (--out)"
        ) from error


@contextmanager
def _replacing(path: Path) -> Iterator[AddLine]:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with unfinished.open("wb") as stream:
            yield lambda line: _write(stream, line)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _write(stream: BinaryIO, line: bytes) -> None:
    stream.write(line)


def _check_same(existing: BinaryIO, line: bytes, path: Path) -> None:
    """`line` is what comes next in the existing file; empty: its end."""
    if existing.readline() != line:
        raise UsageError(f"{path} exists and holds other tasks; choose another name (--out), or replace it (--force)")


# -- reading ----------------------------------------------------------------------------------------------------------


def read_tasks(path: Path | str, world: Environment[Any], *, domain: str) -> list[Task]:
    """The file's tasks, in its order.

    UsageError when there is no such file. DataError, with the number of the line, for what is no task, was changed since it was
    made, is there twice, or was made for another domain or for other data than `world` plays on.
    """
    tasks: dict[str, Task] = {}
    for number, line in enumerate(_lines(path), start=1):
        where = f"{path}, line {number}"
        task = _read(line, where, domain=domain, data=data_of(world.provenance))
        if task.task_id in tasks:
            raise DataError(f"{where}: task {task.task_id!r} is there twice; remove one of the lines, or {REMAKE}")
        tasks[task.task_id] = task
    if not tasks:
        raise DataError(f"{path} holds no task; {REMAKE}")
    return list(tasks.values())


def _lines(path: Path | str) -> Iterator[bytes]:
    try:
        with Path(path).open("rb") as stream:
            yield from stream
    except (OSError, ValueError) as error:  # unreadable, or no path at all
        raise UsageError(
            f"tasks.source: {path} cannot be read: {error}; give a file that `treeroll tasks make` has written"
        ) from None


def _read(line: bytes, where: str, *, domain: str, data: Mapping[str, JsonValue]) -> Task:
    try:
        held = json.loads(line)
        task = Task(task_id=held["task_id"], domain=held["domain"], split=held["split"], data=held["data"])
        made_for = {key: held["made"][key] for key in data}
        valid = isinstance(task.data, dict) and all(isinstance(text, str) for text in (task.task_id, task.split))
    except (ValueError, TypeError, LookupError) as error:
        raise DataError(f"{where}: not a task as `treeroll tasks make` writes it ({error!r}); {REMAKE}") from None
    if not valid:
        raise DataError(f"{where}: not a task as `treeroll tasks make` writes it; {REMAKE}")
    if task.domain != domain:
        raise DataError(
            f"{where}: a task of domain {task.domain!r}, but tasks.domain is {domain!r}; set that, or {REMAKE}"
        )
    if made_for != data:
        told = ", ".join(
            f"{key} {made_for[key]!r} (here {here!r})" for key, here in data.items() if made_for[key] != here
        )
        raise DataError(f"{where}: the task was made for other data: {told}; install that version, or {REMAKE}")
    if task.task_id.startswith(id_prefix(domain)) and content_id(domain, task.data) != task.task_id:
        raise DataError(
            f"{where}: task {task.task_id!r} was changed since it was made: its id is no more its content's; {REMAKE}"
        )
    return task
