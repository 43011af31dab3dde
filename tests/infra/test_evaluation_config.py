"""Evaluations as TOML: what arms are made of, what they may differ in, and what is said of everything that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config import RunConfig
from infra.evaluation_config import Evaluation, arm_configs, load_evaluation
from infra.evaluation_sections import ArmSection
from rollouts.errors import UsageError
from tests.infra.settings import anything

TWO_ARMS = """
[tasks]
split = "test"
[critic]
review = "all"
[evaluation]
trials = 3
[[evaluation.arms]]
name = "alone"
set = { "critic.kind" = "none" }
[[evaluation.arms]]
name = "critic"
set = { critic.kind = "scripted", "critic.hit_rate" = 0.9 }
"""


def evaluation(tmp_path: Path, text: str, **given: object) -> Evaluation:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return load_evaluation(path, **given)  # type: ignore[arg-type]


def refusal(tmp_path: Path, text: str, **given: object) -> str:
    with pytest.raises(UsageError) as caught:
        evaluation(tmp_path, text, **given)
    return str(caught.value)


def test_an_arm_is_the_shared_configuration_with_its_own_settings_and_no_fork(tmp_path: Path) -> None:
    found = evaluation(tmp_path, TWO_ARMS)
    alone, critic = (arm.config for arm in found.arms)
    assert (alone.critic.kind, critic.critic.kind, critic.critic.hit_rate) == ("none", "scripted", 0.9)
    assert critic.critic.review == "all"
    for config in (alone, critic):
        assert (config.branching.policy, config.branching.trunks, config.tasks.split) == ("none", 3, "test")
    assert (found.baseline, found.trials, found.confidence, found.resamples) == ("alone", 3, 0.95, 2000)


def test_an_override_holds_for_every_arm_and_for_the_evaluation(tmp_path: Path) -> None:
    found = evaluation(
        tmp_path, TWO_ARMS, overrides=["run.seed=7", "evaluation.trials=2", "evaluation.baseline=critic"]
    )
    assert {arm.config.run.seed for arm in found.arms} == {7}
    assert {arm.config.branching.trunks for arm in found.arms} == {2}
    assert found.baseline == "critic"


def test_an_arm_keeps_its_run_whatever_becomes_of_the_others(tmp_path: Path) -> None:
    before = evaluation(tmp_path, TWO_ARMS)
    third = '[[evaluation.arms]]\nname = "third"\nset = { "critic.kind" = "none", "limits.turns" = 9 }\n'
    after = evaluation(tmp_path, TWO_ARMS.replace("0.9", "0.8") + third)
    assert before.arms[0].run_id == after.arms[0].run_id
    assert before.arms[1].run_id != after.arms[1].run_id
    assert before.evaluation_id != after.evaluation_id


def test_the_same_question_has_the_same_id_and_another_one_another(tmp_path: Path) -> None:
    same = {evaluation(tmp_path, TWO_ARMS).evaluation_id for _ in range(2)}
    others = {
        evaluation(tmp_path, TWO_ARMS, overrides=[change]).evaluation_id
        for change in ("run.seed=1", "evaluation.trials=2", "evaluation.resamples=100", "evaluation.confidence=0.9")
    }
    assert len(same) == 1
    assert len(same | others) == 5


def test_ids_begin_with_the_given_name_or_with_the_files_and_always_fit(tmp_path: Path) -> None:
    arm = "x" * 24
    text = f'[[evaluation.arms]]\nname = "{arm}"\n'
    path = tmp_path / f"a strange name, {'long ' * 20}.toml"
    path.write_text(text)
    for found in (load_evaluation(path), evaluation(tmp_path, text, name="n" * 28)):
        assert len(found.arms[0].run_id) <= 64
    assert evaluation(tmp_path, text).evaluation_id.startswith("mine-")
    assert evaluation(tmp_path, text, name="paper").evaluation_id.startswith("paper-")
    assert "--name" in refusal(tmp_path, text, name="n" * 29)
    assert "--name" in refusal(tmp_path, text, name="../up")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ("evaluation.arms", "treeroll run")),
        ("[evaluation]\ntrials = 0\n", ("evaluation.trials", "at least 1", "0")),
        ("[evaluation]\nbaselin = 'a'\n", ("evaluation.baselin", "evaluation.baseline")),
        ("[evaluation]\nconfidence = 95\n", ("evaluation.confidence", "less than 1")),
        ("[evaluation]\nresamples = 'many'\n", ("evaluation.resamples", "whole number")),
        ("evaluation = 3\n", ("evaluation", "a table")),
        (TWO_ARMS.replace('"critic"', '"alone"'), ("evaluation.arms", "twice", "alone")),
        (TWO_ARMS.replace("trials = 3", "baseline = 'none'"), ("evaluation.baseline", "alone, critic", "none")),
        (TWO_ARMS.replace('"critic"', '"a critic"'), ("evaluation.arms.name", "a critic")),
        (TWO_ARMS + "[[evaluation.arms]]\nset = {}\n", ("evaluation.arms.name", "needs a name")),
        (TWO_ARMS.replace("hit_rate", "hit_rat"), ("arm critic: critic.hit_rat", "critic.hit_rate")),
        (TWO_ARMS.replace("0.9", "9"), ("arm critic: critic.hit_rate", "at most 1")),
        (TWO_ARMS.replace("critic.hit_rate", "tasks.domain"), ("arm critic: tasks.domain", "one for all arms")),
        (TWO_ARMS.replace("critic.hit_rate", "run.seed"), ("arm critic: run.seed", "same seeds")),
        (TWO_ARMS.replace("critic.hit_rate", "judge.model"), ("arm critic: judge.model", "same judge")),
        (
            TWO_ARMS.replace("critic.hit_rate", "branching.trunks"),
            ("arm critic: branching.trunks", "evaluation.trials"),
        ),
        (TWO_ARMS.replace("critic.hit_rate", "hit rate"), ("arm critic: hit rate", "critic.kind")),
        (TWO_ARMS.replace("0.9", "1979-05-27"), ("arm critic: critic.hit_rate", "a number")),
        (TWO_ARMS + "[branching]\ntrunks = 3\n", ("branching", "evaluation.trials")),
        (TWO_ARMS + "[labels]\nlevel = 0.9\n", ("labels", "remove")),
        (TWO_ARMS + "[run]\nid = 'mine'\n", ("run.id", "--name")),
        ("[[evaluation.arms]\n", ("not valid TOML",)),
    ],
)
def test_what_cannot_be_is_named_with_the_fix(tmp_path: Path, text: str, says: tuple[str, ...]) -> None:
    told = refusal(tmp_path, text)
    for words in says:
        assert words in told


def test_all_problems_are_told_at_once_and_those_of_all_arms_once(tmp_path: Path) -> None:
    text = TWO_ARMS.replace('split = "test"', 'splitt = "test"').replace("trials = 3", "trials = 0").replace("0.9", "9")
    told = refusal(tmp_path, text)
    assert "3 problems" in told
    assert told.count("splitt") == 1
    assert "arm" not in next(line for line in told.splitlines() if "splitt" in line)


def test_an_evaluation_that_is_not_there_lists_the_presets() -> None:
    with pytest.raises(UsageError, match=r"^there is no configuration file.*evaluate_quickstart"):
        load_evaluation("evaluate_quikstart")


def test_the_shipped_evaluation_compares_critics_with_the_actor_alone_on_the_test_split() -> None:
    found = load_evaluation("evaluate_quickstart")
    assert [arm.name for arm in found.arms] == ["alone", "fair-critic", "good-critic"]
    assert {arm.config.tasks.split for arm in found.arms} == {"test"}
    assert {arm.config.actor.kind for arm in found.arms} == {"scripted"}


def test_the_template_compares_the_papers_arms_and_holds_no_key() -> None:
    found = load_evaluation("evaluate_tau2_retail")
    assert {arm.name: arm.config.critic.kind for arm in found.arms} == {
        "alone": "none",
        "self-reflection": "self",
        "critic": "chat",
        "best-of-4": "chat",
    }
    assert {arm.config.actor.api_key_env for arm in found.arms} == {"OPENAI_API_KEY"}
    assert found.arms[3].config.actor.best_of == 4


@given(st.dictionaries(st.sampled_from(["critic.kind", "actor", "limits.turns", "tasks.count", "é", ""]), anything))
def test_whatever_an_arm_sets_it_is_a_configuration_or_a_refusal(chosen: dict[str, object]) -> None:
    configs, problems = arm_configs({}, [ArmSection.model_validate({"name": "a", "set": chosen})])
    assert all(isinstance(config, RunConfig) for config in configs.values())
    assert bool(configs) != bool(problems)
