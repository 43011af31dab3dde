"""Settings in, settings out: what is loaded, what is stored, what names a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from infra.config import (
    RunConfig,
    as_override,
    check_run_id,
    config_digest,
    data_config,
    default_run_id,
    differing_keys,
    effective,
    load_config,
    overridden,
    parse_config,
)
from infra.config_reference import config_reference
from infra.config_rules import known_fields
from rollouts.errors import UsageError
from tests.infra import settings

# -- effective configurations -----------------------------------------------------------------------------------------


@given(settings.valid)
def test_an_effective_configuration_gives_the_same_configuration_back(given_settings: dict[str, Any]) -> None:
    config = parse_config(given_settings, source="drawn")
    stored = json.loads(json.dumps(effective(config)))
    again = parse_config(stored, source="stored")
    assert again == config
    assert effective(again) == stored
    assert config_digest(again) == config_digest(config)


@given(settings.valid)
def test_a_configuration_typed_as_overrides_is_the_same_configuration(given_settings: dict[str, Any]) -> None:
    typed = [
        as_override(key, value) if isinstance(value, str) else f"{key}={json.dumps(value)}"
        for key, value in leaves(given_settings)
    ]
    assert parse_config(overridden({}, typed), source="typed") == parse_config(given_settings, source="drawn")


@given(settings.valid)
def test_every_setting_that_asks_for_something_is_stored(given_settings: dict[str, Any]) -> None:
    stored = effective(parse_config(given_settings, source="drawn"))
    given_leaves = {key for key, value in leaves(given_settings) if value not in ("", [], 0, {})}
    assert given_leaves <= {key for key, _ in leaves(stored)}


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        RunConfig().run.seed = 1


def test_defaults_alone_are_a_valid_configuration() -> None:
    assert parse_config({}, source="empty") == RunConfig()


# -- what names a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "override",
    [
        "run.pool=local",
        "run.workers=9",
        "run.max_in_flight=9",
        "run.id=mine",
        "run.item_attempts=9",
        "storage.root=s3://bucket/prefix",
        "limits.calls=9",
    ],
)
def test_where_and_how_a_run_is_played_does_not_change_its_digest(override: str) -> None:
    assert config_digest(load_config("quickstart", overrides=[override])) == config_digest(load_config("quickstart"))


@pytest.mark.parametrize(
    "override",
    [
        "run.seed=1",
        "tasks.count=39",
        "tasks.domain=airline",
        'tasks.ids=["1"]',
        "tasks.source=tasks.jsonl",
        "actor.errors.wrong_tool=0.5",
        "actor.difficulty.never_solved=0.5",
        "critic.kind=scripted",
        'judge={kind="chat", base_url="http://127.0.0.1:8000/v1", model="m"}',
        "branching.policy=none",
        "branching.width=2",
        "branching.max_draws=5",
        "labels.level=0.8",
        "labels.revise_level=0.9",
        "limits.turns=20",
    ],
)
def test_what_determines_the_rows_changes_the_digest(override: str) -> None:
    assert config_digest(load_config("quickstart", overrides=[override])) != config_digest(load_config("quickstart"))


def test_a_whole_number_and_the_same_fraction_are_one_configuration() -> None:
    whole = parse_config({"branching": {"budget_failed": 2}, "labels": {"level": 0.5}}, source="whole")
    assert config_digest(whole) == config_digest(
        parse_config({"branching": {"budget_failed": 2.0}, "labels": {"level": 0.5}}, source="x")
    )


@pytest.mark.parametrize("name", ["quickstart", "my run/2", "...", "", "é", "x" * 200])
def test_a_default_run_id_is_a_run_id_that_ends_in_the_digest(name: str) -> None:
    config = RunConfig()
    run_id = default_run_id(config, name)
    assert check_run_id(run_id) == run_id
    assert run_id.endswith(f"-{config_digest(config)}")


def test_a_default_run_id_begins_with_the_name_of_the_configuration() -> None:
    assert default_run_id(RunConfig(), "quickstart").startswith("quickstart-")


@pytest.mark.parametrize("run_id", ["", ".", "..", ".hidden", "a/b", "a b", "x" * 65, "é", "a\n"])
def test_what_could_leave_its_folder_is_no_run_id(run_id: str) -> None:
    with pytest.raises(UsageError, match="a run id needs"):
        check_run_id(run_id)


def test_two_configurations_differ_in_the_keys_that_differ() -> None:
    stored = effective(load_config("smoke"))
    asked = effective(load_config("smoke", overrides=["branching.width=4", "tasks.ids=['1']", "run.id=x"]))
    assert differing_keys(stored, asked) == [
        "branching.width: 2 -> 4",
        'run.id: "" -> "x"',
        "tasks.count: 3 -> not set",
        'tasks.ids: not set -> ["1"]',
    ]
    assert differing_keys(stored, stored) == []


def test_the_data_part_names_no_place() -> None:
    config = load_config("tau2_retail", overrides=["storage.root=s3://bucket/secret-place"])
    assert "secret-place" not in json.dumps(data_config(config))


def test_a_judge_is_asked_without_chance_unless_told_otherwise() -> None:
    judge = {"kind": "chat", "base_url": "http://127.0.0.1:8000/v1", "model": "m"}
    assert parse_config({"judge": judge}, source="x").judge.temperature == 0.0
    assert parse_config({"judge": judge | {"temperature": 1.0}}, source="x").judge.temperature == 1.0


# -- overrides --------------------------------------------------------------------------------------------------------


def test_an_override_is_a_toml_value_and_a_bare_word_stands_for_itself() -> None:
    config = load_config(
        "smoke",
        overrides=["storage.root=s3://bucket/a b", "branching.width = 4", 'tasks.ids=["1", "2"]', "tasks.split=train"],
    )
    assert config.storage.root == "s3://bucket/a b"
    assert config.branching.width == 4
    assert config.tasks.ids == ("1", "2")


@pytest.mark.parametrize("text", ["3", "true", "2026-01-01", '"', "a\nb = 1", "\\", "\x7f", "s3://b/ü", ""])
def test_a_text_made_an_override_arrives_as_it_was(text: str) -> None:
    assert overridden({}, [as_override("a.b", text)]) == {"a": {"b": text}}


def test_an_override_cannot_smuggle_in_a_second_setting() -> None:
    assert overridden({}, ["a=1\nb = 2"]) == {"a": "1\nb = 2"}


def test_the_last_override_of_a_setting_counts() -> None:
    assert load_config("smoke", overrides=["run.seed=1", "run.seed=2"]).run.seed == 2


@pytest.mark.parametrize("override", ["seed", "", "=3", "run.=3", ".seed=3", "run..seed=3"])
def test_an_override_that_is_no_assignment_is_refused_with_an_example(override: str) -> None:
    with pytest.raises(UsageError, match="needs key=value, such as"):
        load_config("smoke", overrides=[override])


def test_settings_below_a_value_are_refused() -> None:
    with pytest.raises(UsageError, match="actor is set to a value"):
        load_config("smoke", overrides=["actor=1", "actor.kind=chat"])


@pytest.mark.parametrize(
    ("overrides", "key", "value"),
    [
        (["branching.policy=none"], "branching.width", 3),
        (["branching.policy=none"], "labels.revise_level", 0.95),
        (["run.pool=local"], "run.workers", 2),
        (["tasks.ids=['5']"], "tasks.count", 0),
        (["tasks.source=tasks.jsonl"], "tasks.split", "train"),
        (
            ["actor.kind=chat", "actor.base_url=http://h/v1", "actor.model=m"],
            "actor.errors",
            RunConfig().actor.errors,
        ),
    ],
)
def test_an_override_that_turns_a_switch_drops_what_depends_on_it(
    overrides: list[str], key: str, value: object
) -> None:
    config = load_config("quickstart", overrides=overrides)
    section, name = key.split(".")
    assert getattr(getattr(config, section), name) == value
    assert key not in dict(leaves(effective(config)))


def test_a_count_takes_the_place_of_the_ids_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ids.toml"
    path.write_text('[tasks]\nids = ["1", "2"]\n')
    assert load_config(path, overrides=["tasks.count=5"]).tasks.ids == ()


def test_a_local_root_takes_the_place_of_a_store_and_its_endpoint(tmp_path: Path) -> None:
    path = tmp_path / "s3.toml"
    path.write_text('[storage]\nroot = "s3://bucket"\nendpoint_url = "http://127.0.0.1:8333"\n')
    assert load_config(path, overrides=["storage.root=/srv/rows"]).storage.endpoint_url == ""


# -- reference --------------------------------------------------------------------------------------------------------


def test_every_setting_has_a_meaning_and_a_line_in_the_reference() -> None:
    reference = config_reference()
    settings_of = {key for key, _ in leaves(RunConfig().model_dump())}
    for key, field in known_fields().items():
        assert field.description, f"{key} has no description"
        assert (f"| `{key}` |" in reference) == (key in settings_of)


def leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every setting."""
    for name, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
