"""Scenario files as tasks. Needs nothing of upstream's."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.environments.userbench.scenarios import BLOBS, SPLITS, Scenarios
from actors.environments.userbench.source import SUPPORTED_COMMIT
from rollouts.errors import DataError, UsageError
from tests.userbench.synthetic import HELD_OUT_ID, scenarios, write_scenarios


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write_scenarios(tmp_path / "data")
    return tmp_path / "data"


def opened(directory: Path) -> Scenarios:
    return Scenarios(directory, domain="travel")


def ids(directory: Path, split: str) -> list[str]:
    return [task.task_id for task in opened(directory).tasks(split)]


def test_a_group_is_its_file_in_its_order(directory: Path) -> None:
    for group in BLOBS:
        assert ids(directory, f"T-{group}") == list(scenarios(group))


def test_training_and_test_tasks_are_upstreams_division(directory: Path) -> None:
    assert ids(directory, "test") == ids(directory, "T-22/test") == [HELD_OUT_ID]
    everything = [name for group in BLOBS for name in ids(directory, f"T-{group}")]
    assert sorted(ids(directory, "train")) == sorted(set(everything) - {HELD_OUT_ID})
    assert {task.split for task in opened(directory).tasks("T-22")} == {"train", "test"}


def test_an_unknown_split_is_refused_with_the_known_ones(directory: Path) -> None:
    with pytest.raises(UsageError, match=r"'T-2222'.*did you mean 'T-22/train'"):
        opened(directory).tasks("T-22/trian")
    assert len(SPLITS) == 26


def test_a_file_is_read_once(directory: Path) -> None:
    here = opened(directory)
    before = here.tasks("T-33")
    (directory / "travelgym_data_33.json").unlink()
    assert [task.data is again.data for task, again in zip(before, here.tasks("T-33"), strict=True)] == [True] * 3
    assert here.find(before[0].task_id) is before[0]


def test_a_missing_file_is_named_only_when_it_is_needed(directory: Path) -> None:
    (directory / "travelgym_data_44.json").unlink()
    assert ids(directory, "T-22")
    for split in ("T-44", "train"):
        with pytest.raises(UsageError, match=rf"travelgym_data_44\.json is missing.*{SUPPORTED_COMMIT[:12]}"):
            opened(directory).tasks(split)


def test_a_directory_without_scenarios_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no scenarios in .*USERBENCH_PATH"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "damaged: it should be JSON"),
        (b'{"cut": {"scen', "damaged: it should be JSON"),
        (b"\xff\xfe", "damaged: it should be JSON"),
        (b"version https://git-lfs.github.com/spec/v1", "damaged: it should be JSON"),
        (b"[]", "object of scenarios, but is list"),
        (b'{"a": 3}', "scenario 'a' should be an object, but is int"),
        (b'{"a": {"scenario": "x"}}', "scenario 'a' has no initial_description, dimensions, wanted_num"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(directory: Path, content: bytes, problem: str) -> None:
    (directory / "travelgym_data_22.json").write_bytes(content)
    with pytest.raises(DataError, match=rf"travelgym_data_22\.json.*{problem}.*USERBENCH_PATH"):
        opened(directory).tasks("T-22")


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda record: record.update(scenario=3), "text as scenario"),
        (lambda record: record.update(dimensions="flight"), "list of names as dimensions"),
        (lambda record: record.update(dimensions=[1]), "list of names as dimensions"),
    ],
)
def test_a_scenario_that_upstream_could_not_read_is_named(
    directory: Path, spoil: Callable[[dict[str, Any]], None], problem: str
) -> None:
    path = directory / "travelgym_data_33.json"
    stored = json.loads(path.read_bytes())
    name = list(stored)[1]
    spoil(stored[name])
    path.write_text(json.dumps(stored))
    with pytest.raises(DataError, match=problem) as told:
        opened(directory).tasks("T-33")
    assert repr(name) in str(told.value)


def test_rows_can_tell_other_scenarios_from_upstreams(directory: Path) -> None:
    identity = opened(directory).identity
    assert identity.version == f"{SUPPORTED_COMMIT[:12]}+other-scenarios"
    (directory / "travelgym_data_44.json").write_text("{}")
    assert opened(directory).identity.data_hash != identity.data_hash
