"""A file of tasks: whole or not there, read back as written, and refused where it does not belong."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from actors.environments.blueprints.make import make_tasks, open_generator
from actors.environments.blueprints.paraphrase import NoParaphraser
from actors.environments.blueprints.task_file import new_file, read_tasks
from actors.environments.registry import environment
from rollouts.errors import DataError, UsageError
from rollouts.protocols import Environment, Provenance
from tests.blueprints.samples import drawn, scanty_generator

pytestmark = pytest.mark.tau2


@pytest.fixture
def world() -> Environment[Any]:
    return environment("tau2", "retail")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await write(tmp_path / "tasks.jsonl")
    return tmp_path / "tasks.jsonl"


async def write(out: Path, *, count: int = 5, seed: int = 0, force: bool = False) -> None:
    generator = open_generator("retail", seed=seed)
    await make_tasks(generator, count=count, out=out, force=force, paraphraser=NoParaphraser())


# -- written ----------------------------------------------------------------------------------------------------------


def test_tasks_are_read_back_as_they_were_made(path: Path, world: Environment[Any]) -> None:
    assert read_tasks(path, world, domain="retail") == [blueprint.task for blueprint in drawn("retail")[:5]]


def test_every_line_says_what_made_it(path: Path, world: Environment[Any]) -> None:
    for line in path.read_text().splitlines():
        assert json.loads(line)["made"] == {
            "generator": "blueprints/1",
            "seed": 0,
            "environment": "tau2",
            "source": world.provenance.source,
            "version": world.provenance.version,
            "data_hash": world.provenance.data_hash,
            "wording": "template",
        }


async def test_the_same_request_gives_the_same_bytes_and_a_longer_one_begins_with_them(
    path: Path, tmp_path: Path
) -> None:
    await write(tmp_path / "again.jsonl")
    await write(tmp_path / "longer.jsonl", count=9)
    assert (tmp_path / "again.jsonl").read_bytes() == path.read_bytes()
    longer = (tmp_path / "longer.jsonl").read_bytes()
    assert longer.startswith(path.read_bytes()) and longer.count(b"\n") == 9


async def test_an_equal_file_is_left_alone_and_another_is_only_replaced_by_force(path: Path) -> None:
    before = (path.stat().st_ino, path.stat().st_mtime_ns)
    await write(path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == before
    content = path.read_bytes()
    for count, seed in ((5, 1), (6, 0), (4, 0)):
        with pytest.raises(UsageError, match=r"holds other tasks.*--force"):
            await write(path, count=count, seed=seed)
        assert path.read_bytes() == content
    await write(path, count=4, force=True)
    assert content.startswith(path.read_bytes()) and path.read_bytes().count(b"\n") == 4


def test_a_file_whose_making_fails_does_not_appear(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no more"), new_file(tmp_path / "tasks.jsonl", force=False) as add:
        add(b"{}\n")
        raise UsageError("no more")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["missing/tasks.jsonl", "."])
async def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        await write(tmp_path / name)


# -- how many there are -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, -3])
async def test_a_count_below_one_is_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(UsageError, match=f"at least 1 task.*{count}"):
        await write(tmp_path / "tasks.jsonl", count=count)


async def test_more_tasks_than_there_can_be_are_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"26281 tasks were asked for, but at most 26280 can be made for retail"):
        await write(tmp_path / "tasks.jsonl", count=26281)


async def test_more_tasks_than_there_are_is_told_with_their_number_and_leaves_no_file(tmp_path: Path) -> None:
    plain, out = NoParaphraser(), tmp_path / "tasks.jsonl"
    with pytest.raises(UsageError, match="2 tasks were asked for, but only 1 can be made"):
        await make_tasks(scanty_generator(), count=2, out=out, force=False, paraphraser=plain)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_domain_is_told_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"'retial'.*'retail', 'airline'.*did you mean 'retail'"):
        open_generator("retial", seed=0)


# -- read -------------------------------------------------------------------------------------------------------------


class OnOtherData:
    """An environment's provenance, and nothing else of it."""

    def __init__(self, provenance: Provenance) -> None:
        self.provenance = provenance


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"version": "0.27.0"}, "version '0.26.0' (here '0.27.0')"),
        ({"data_hash": "ab" * 32}, "(here 'abab"),
        ({"source": "tau2"}, "source 'inspect-evals' (here 'tau2')"),
    ],
)
def test_tasks_made_for_other_data_are_refused(
    path: Path, world: Environment[Any], change: Mapping[str, str], says: str
) -> None:
    elsewhere: Any = OnOtherData(replace(world.provenance, **change))
    with pytest.raises(DataError, match=r"line 1.*made for other data") as caught:
        read_tasks(path, elsewhere, domain="retail")
    assert says in str(caught.value)


def test_tasks_of_another_domain_are_refused(path: Path) -> None:
    with pytest.raises(DataError, match=r"domain 'retail', but tasks.domain is 'airline'"):
        read_tasks(path, environment("tau2", "airline"), domain="airline")


def _without(key: str) -> Callable[[dict[str, Any]], object]:
    return lambda held: held.pop(key)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_without("made"), "not a task"),
        (_without("data"), "not a task"),
        (lambda held: held.update(data=[]), "not a task"),
        (lambda held: held.update(made=[1]), "not a task"),
        (lambda held: held.update(split=None), "not a task"),
        (lambda held: held["data"]["user_scenario"].update(persona="rude"), "changed since it was made"),
        (lambda held: held.update(task_id="retail-bp-" + 16 * "0"), "changed since it was made"),
    ],
)
def test_a_damaged_line_is_named_by_its_number(
    path: Path, world: Environment[Any], damage: Callable[[dict[str, Any]], object], says: str
) -> None:
    lines = path.read_text().splitlines()
    held = json.loads(lines[2])
    damage(held)
    path.write_text("\n".join([*lines[:2], json.dumps(held), *lines[3:]]))
    with pytest.raises(DataError, match=f"line 3: .*{says}"):
        read_tasks(path, world, domain="retail")


@pytest.mark.parametrize("line", ["", "{", "[]", "null", '"task"', "\x00", "\udcff"])
def test_a_line_that_is_no_task_is_named_by_its_number(path: Path, world: Environment[Any], line: str) -> None:
    path.write_bytes(path.read_bytes() + line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(DataError, match="line 6: not a task"):
        read_tasks(path, world, domain="retail")


def test_a_task_that_is_there_twice_is_refused(path: Path, world: Environment[Any]) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(DataError, match=r"line 6: .* is there twice"):
        read_tasks(path, world, domain="retail")


def test_an_empty_file_and_a_missing_one_are_told_apart(tmp_path: Path, world: Environment[Any]) -> None:
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(DataError, match="holds no task"):
        read_tasks(tmp_path / "empty.jsonl", world, domain="retail")
    with pytest.raises(UsageError, match=r"tasks.source: .*missing.jsonl cannot be read.*treeroll tasks make"):
        read_tasks(tmp_path / "missing.jsonl", world, domain="retail")


def test_a_task_of_ones_own_under_another_id_is_read(path: Path, world: Environment[Any]) -> None:
    held = json.loads(path.read_text().splitlines()[0])
    held["task_id"] = held["data"]["id"] = "mine-1"
    path.write_text(json.dumps(held) + "\n")
    assert [task.task_id for task in read_tasks(path, world, domain="retail")] == ["mine-1"]
