"""Bad configurations, as a new user would write them: the message names the key, the value and the fix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from infra.config import RunConfig, load_config, parse_config, preset_names
from infra.config_rules import known_fields
from infra.config_sections import BranchingSection
from rollouts.errors import UsageError
from tests.infra import settings

CHAT = {"kind": "chat", "base_url": "http://127.0.0.1:8000/v1", "model": "m"}
PRICES = {"price_per_million_prompt": 1, "price_per_million_completion": 4}


def complaint(given_settings: dict[str, Any]) -> str:
    with pytest.raises(UsageError) as caught:
        parse_config(given_settings, source="my.toml")
    return str(caught.value)


def one_complaint(given_settings: dict[str, Any]) -> str:
    first, line = complaint(given_settings).splitlines()
    assert first == "my.toml: 1 problem"
    return line.strip()


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_settings", "nearest"),
    [
        ({"branching": {"widht": 3}}, "branching.widht: unknown key; did you mean branching.width?"),
        ({"seed": 3}, "seed: unknown key; did you mean run.seed?"),
        ({"actor": {"error": {}}}, "actor.error: unknown key; did you mean actor.errors?"),
        (
            {"actor": {"errors": {"wrong_tols": 0}}},
            "actor.errors.wrong_tols: unknown key; did you mean actor.errors.wrong_tool?",
        ),
        ({"critic": {"delta": 0.1}}, "critic.delta: unknown key; did you mean branching.delta?"),
        ({"brnching": {"width": 3}}, "brnching: unknown key; did you mean branching?"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_known_one(given_settings: dict[str, Any], nearest: str) -> None:
    assert one_complaint(given_settings) == nearest


def test_an_unknown_key_like_no_other_is_told_with_all_there_are() -> None:
    assert one_complaint({"limits": {"zzz": 1}}).endswith(
        "[limits] has: turns, calls, tokens, cost_usd, on_limit, episode_timeout_s"
    )
    assert "the sections are: run, storage, tasks" in one_complaint({"zzz": {}})


@pytest.mark.parametrize(
    ("given_settings", "key"),
    [
        ({"critic": {"kind": "vllm"}}, "critic.model"),
        ({"critic": {"kind": "chat", "model": "m"}}, "critic.base_url"),
        ({"critic": {"kind": "self"}}, "critic.kind"),
        ({"critic": {"kind": "scripted", "model": "m"}}, "critic.model"),
        ({"critic": {"kind": "vllm", "model": "m", "hit_rate": 0.5}}, "critic.hit_rate"),
        ({"critic": {"kind": "vllm", "model": "m", "base_url": "http://x"}}, "critic.base_url"),
        ({"critic": {"kind": "vllm", "model": "m", "threshold": 0.7}}, "critic.threshold"),
        ({"actor": {"best_of": 4}}, "actor.best_of"),
        ({"user": {"reflect": True}}, "user.reflect"),
        ({"branching": {"policy": "everywhere"}}, "branching.policy"),
    ],
)
def test_a_critic_and_those_it_serves_need_what_their_kind_needs(given_settings: dict[str, Any], key: str) -> None:
    assert one_complaint(given_settings).startswith(f"{key}: ")


# -- types and ranges -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_settings", "text"),
    [
        ({"run": {"workers": "3"}}, 'run.workers: needs a whole number, got "3" (text); write it without quotes'),
        ({"run": {"workers": True}}, "run.workers: needs a whole number, got true (true or false)"),
        ({"run": {"workers": 3.0}}, "run.workers: needs a whole number, got 3.0 (a number)"),
        ({"run": {"workers": 0}}, "run.workers: needs at least 1, got 0"),
        ({"run": {"seed": -1}}, "run.seed: needs at least 0, got -1"),
        (
            {"run": {"seed": 1 << 20_000}},
            "run.seed: needs at most 9007199254740991, got a number of 20001 bits",
        ),
        ({"run": {"pool": "slurm"}}, 'run.pool: needs "ray" or "local", got "slurm"'),
        (
            {"run": {"id": "a/b"}},
            'run.id: needs 1 to 64 letters, digits, dots, dashes or underscores, and no leading dot; got "a/b"',
        ),
        ({"branching": {"width": -2}}, "branching.width: needs at least 1, got -2"),
        ({"branching": {"delta": True}}, "branching.delta: needs a number, got true (true or false)"),
        ({"branching": {"delta": float("nan")}}, "branching.delta: needs a finite number, got nan"),
        (
            {"branching": {"max_draws": 2}},
            "branching.max_draws: needs at least branching.width (3), or 0 for twice the width; got 2",
        ),
        ({"branching": {"forked_trunks": 5}}, "branching.forked_trunks: needs at most branching.trunks (4), got 5"),
        ({"labels": {"level": 1.0}}, "labels.level: needs less than 1.0, got 1.0"),
        ({"limits": {"episode_timeout_s": 0}}, "limits.episode_timeout_s: needs more than 0.0, got 0"),
        ({"tasks": {"ids": "12"}}, 'tasks.ids: needs a list, such as ["a", "b"], got "12" (text)'),
        ({"tasks": {"ids": ["1", "1"]}}, "tasks.ids: needs each task id once; given twice: 1"),
        ({"tasks": {"domain": ""}}, 'tasks.domain: needs at least 1 character, got ""'),
        ({"actor": 3}, "actor: needs a table of settings, got 3 (a whole number)"),
        ({"actor": {"errors": {"wrong_tool": 1.5}}}, "actor.errors.wrong_tool: needs at most 1.0, got 1.5"),
        ({"storage": {"root": ""}}, "storage.root: needs a directory or s3://bucket/prefix"),
        (
            {"storage": {"root": "gs://bucket"}},
            "storage.root: needs a directory or s3://bucket/prefix; no other kind of store is implemented; got 'gs://bucket'",
        ),
        (
            {"actor": {"difficulty": {"always_solved": 0.7, "never_solved": 0.7}}},
            "actor.difficulty: always_solved + never_solved must be at most 1, got 0.7 + 0.7; they are shares of the same tasks",
        ),
    ],
)
def test_a_wrong_value_is_told_with_its_key_and_what_was_needed(given_settings: dict[str, Any], text: str) -> None:
    assert one_complaint(given_settings) == text


def test_an_item_of_a_list_is_named_by_its_place() -> None:
    line = one_complaint({"tasks": {"ids": ["1", 2]}})
    assert line.startswith("tasks.ids[1]: needs text in quotes, got 2 (a whole number); write it in quotes")


def test_all_problems_are_told_at_once() -> None:
    text = complaint(
        {
            "run": {"workers": "3", "wrkers": 2},
            "branching": {"policy": "none", "width": -1},
            "actor": {"kind": "chat"},
            "user": {"kind": 3},
        }
    )
    told = [line.split(":")[0].strip() for line in text.splitlines()[1:]]
    assert sorted(told) == [
        "actor.base_url",
        "actor.model",
        "branching.width",
        "branching.width",
        "run.workers",
        "run.wrkers",
        "user.kind",
    ]


@given(settings.arbitrary(list(known_fields())))
def test_whatever_is_given_becomes_a_configuration_or_a_usage_error_in_plain_words(
    given_settings: dict[str, Any],
) -> None:
    try:
        parse_config(given_settings, source="drawn")
    except UsageError as error:
        text = str(error)
        assert "problem" in text.splitlines()[0]
        for jargon in ("Input should", "validation error", "pydantic", "Value error", "another value"):
            assert jargon not in text


# -- settings without effect ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_settings", "key"),
    [
        ({"actor": {"base_url": "http://127.0.0.1:8000/v1"}}, "actor.base_url"),
        ({"actor": {"temperature": 0.0}}, "actor.temperature"),
        ({"user": {"kind": "scripted", "max_tokens": 1024}}, "user.max_tokens"),
        ({"actor": CHAT | {"errors": {"wrong_tool": 0.1}}}, "actor.errors"),
        ({"actor": CHAT | {"difficulty": {"never_solved": 0.1}}}, "actor.difficulty"),
        ({"critic": {"review": "writes"}}, "critic.review"),
        ({"judge": {"model": "m"}}, "judge.model"),
        ({"judge": {"kind": "none", "temperature": 0.5}}, "judge.temperature"),
        ({"judge": CHAT, "limits": {"cost_usd": 1}}, "limits.cost_usd"),
        ({"critic": {"kind": "none", "max_revisions": 0}}, "critic.max_revisions"),
        ({"branching": {"policy": "none", "width": 3}}, "branching.width"),
        ({"branching": {"policy": "none", "delta": 0.1}}, "branching.delta"),
        ({"branching": {"policy": "none"}, "labels": {"level": 0.9}}, "labels.level"),
        ({"run": {"pool": "local", "workers": 4}}, "run.workers"),
        ({"tasks": {"ids": ["1"], "count": 4}}, "tasks.count"),
        ({"tasks": {"source": "tasks.jsonl", "split": "train"}}, "tasks.split"),
        ({"storage": {"root": "data", "endpoint_url": "http://127.0.0.1:8333"}}, "storage.endpoint_url"),
        ({"limits": {"tokens": 10}}, "limits.tokens"),
        ({"limits": {"cost_usd": 1}}, "limits.cost_usd"),
        ({"actor": CHAT, "limits": {"cost_usd": 1}}, "limits.cost_usd"),
    ],
)
def test_a_setting_that_has_no_effect_is_refused(given_settings: dict[str, Any], key: str) -> None:
    line = one_complaint(given_settings)
    assert line.startswith(f"{key}: has no effect")


def test_a_setting_without_effect_names_the_switch_and_how_it_stands() -> None:
    assert one_complaint({"branching": {"policy": "none", "width": 3}}) == (
        'branching.width: has no effect with branching.policy = "none"; remove it or change branching.policy'
    )


def test_an_empty_default_asks_for_nothing_and_is_not_refused() -> None:
    parse_config(
        {
            "actor": {"base_url": "", "model": "", "api_key_env": ""},
            "storage": {"endpoint_url": ""},
            "limits": {"tokens": 0, "cost_usd": 0.0},
        },
        source="x",
    )


def test_a_configuration_built_in_code_is_held_to_the_same_rules() -> None:
    with pytest.raises(ValidationError, match=r"branching\.width: has no effect"):
        RunConfig(branching=BranchingSection(policy="none", width=3))


# -- endpoints --------------------------------------------------------------------------------------------------------


def test_a_chat_model_needs_its_address_and_its_name() -> None:
    told = complaint({"user": {"kind": "chat"}})
    assert 'user.base_url: is needed with user.kind = "chat"' in told
    assert 'user.model: is needed with user.kind = "chat"' in told


def test_a_chat_judge_needs_its_address_and_its_name_and_nobody_can_stand_in_for_it() -> None:
    told = complaint({"judge": {"kind": "chat"}})
    assert 'judge.base_url: is needed with judge.kind = "chat"' in told
    assert 'judge.model: is needed with judge.kind = "chat"' in told
    assert one_complaint({"judge": {"kind": "scripted"}}) == 'judge.kind: needs "none" or "chat", got "scripted"'


def test_a_judge_uses_tokens_where_scripted_stand_ins_play() -> None:
    assert parse_config({"judge": CHAT, "limits": {"tokens": 10}}, source="x").limits.tokens == 10


def test_one_price_needs_the_other() -> None:
    assert one_complaint({"actor": CHAT | {"price_per_million_prompt": 1.0}}).startswith(
        "actor.price_per_million_completion: is needed"
    )


def test_a_limit_of_cost_works_where_every_price_is_known() -> None:
    config = parse_config({"actor": CHAT | PRICES, "user": CHAT | PRICES, "limits": {"cost_usd": 5}}, source="x")
    assert config.limits.cost_usd == 5.0


@pytest.mark.parametrize(
    "secret", ["sk-proj-abc123", "AIzaSyD3x4mple", "AKIAIOSFODNN7EXAMPLE", "8f14e45fceea167a", ["sk-abc123"]]
)
def test_a_key_in_place_of_a_variable_name_is_refused_and_not_shown(secret: str | list[str]) -> None:
    line = one_complaint({"actor": CHAT | {"api_key_env": secret}})
    assert line.startswith("actor.api_key_env: needs")
    assert "".join(secret) not in line


@pytest.mark.parametrize("url", ["http://me:hunter2@host/v1", "https://host/v1?key=hunter2", "http://host/v1#hunter2"])
def test_an_address_with_a_secret_in_it_is_refused_and_not_shown(url: str) -> None:
    line = one_complaint({"actor": CHAT | {"base_url": url}})
    assert "without user, password" in line
    assert "hunter2" not in line


def test_a_root_with_a_secret_in_it_is_refused_and_not_shown() -> None:
    line = one_complaint({"storage": {"root": "s3://key:hunter2@bucket/prefix"}})
    assert "without user or password" in line
    assert "hunter2" not in line


def test_a_key_under_an_unknown_name_is_not_shown() -> None:
    line = one_complaint({"actor": CHAT | {"api_key": "sk-abc123"}})
    assert line == "actor.api_key: unknown key; did you mean actor.api_key_env?"


@pytest.mark.parametrize(
    "url", ["127.0.0.1:8000", "ftp://host", "http://", "http://host:99999/v1", "http://[::1/v1", "http://a b/v1"]
)
def test_what_is_no_address_is_refused_with_an_example(url: str) -> None:
    assert "such as http://127.0.0.1:8000/v1" in one_complaint({"actor": CHAT | {"base_url": url}})


# -- files ------------------------------------------------------------------------------------------------------------


def test_a_missing_file_is_answered_with_the_presets() -> None:
    with pytest.raises(UsageError) as caught:
        load_config("quickstat")
    assert "quickstat" in str(caught.value)
    assert all(name in str(caught.value) for name in preset_names())


def test_a_file_that_is_no_toml_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[run]\nseed = \n")
    with pytest.raises(UsageError, match=r"bad\.toml: is not valid TOML: .*line 2"):
        load_config(path)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"seed = " + b"9" * 5000], ids=["bytes", "digits"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"bad\.toml"):
        load_config(path)


def test_an_error_names_the_file_and_says_that_overrides_took_part(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[branching]\nwidht = 3\n")
    with pytest.raises(UsageError, match=r"mine\.toml: 1 problem"):
        load_config(path)
    with pytest.raises(UsageError, match=r"mine\.toml with --set: 2 problems"):
        load_config(path, overrides=["run.sed=1"])
