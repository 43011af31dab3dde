"""The configurations that are shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.config import config_text, effective, load_config, parse_config, preset_names
from rollouts.errors import UsageError
from tests.needs import REPOSITORY

PRESETS = REPOSITORY / "infra" / "presets"
RUNS = [name for name in preset_names() if not name.startswith("evaluate_")]


def test_the_presets_are_the_files_of_their_folder() -> None:
    ours = ["quickstart", "smoke", "tau2_airline", "tau2_retail"]
    assert preset_names() == ["evaluate_quickstart", "evaluate_tau2_retail", *ours]
    assert preset_names() == sorted(path.stem for path in PRESETS.iterdir())


@pytest.mark.parametrize("name", RUNS)
def test_a_preset_loads_by_its_bare_name_and_by_its_path(name: str) -> None:
    config = load_config(name)
    assert config == load_config(PRESETS / f"{name}.toml")
    assert parse_config(effective(config), source=name) == config


def test_an_evaluation_is_not_a_run_and_says_who_plays_it() -> None:
    with pytest.raises(UsageError, match="treeroll evaluate"):
        load_config("evaluate_quickstart")


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_explains_itself(name: str) -> None:
    text = config_text(name)
    assert text.startswith("# ")
    assert len([line for line in text.splitlines() if "#" in line]) >= 3


def test_the_quickstart_is_forty_retail_tasks_of_the_training_split_on_ray_without_a_model() -> None:
    config = load_config("quickstart")
    assert (config.tasks.environment, config.tasks.domain, config.tasks.split) == ("tau2", "retail", "train")
    assert (config.tasks.count, config.run.pool, config.run.workers) == (40, "ray", 2)
    assert (config.actor.kind, config.user.kind, config.storage.root) == ("scripted", "scripted", "data/quickstart")
    assert (config.branching.policy, config.branching.width, config.branching.rollouts, config.branching.trunks) == (
        "every_step",
        3,
        12,
        4,
    )


def test_the_smoke_run_is_small_and_needs_no_ray() -> None:
    config = load_config("smoke")
    assert config.run.pool == "local"
    assert config.tasks.count <= 3
    assert config.branching.width == config.branching.rollouts == 2


@pytest.mark.parametrize("domain", ["retail", "airline"])
def test_the_templates_play_all_training_tasks_with_models_and_hold_no_key(domain: str) -> None:
    config = load_config(f"tau2_{domain}")
    assert (config.tasks.domain, config.tasks.split, config.tasks.count) == (domain, "train", 0)
    for speaker in (config.actor, config.user):
        assert (speaker.kind, speaker.base_url, speaker.api_key_env) == (
            "chat",
            "http://127.0.0.1:8000/v1",
            "OPENAI_API_KEY",
        )


def test_a_file_of_the_same_name_comes_before_a_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("smoke").write_text("[run]\nseed = 7\n")
    assert load_config("smoke").run.seed == 7
