"""What a run will take, before anything is spent: from recorded figures where there are any, and told from assumed ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.forecast_text import forecast_rows
from infra.prediction import compared, prediction_rows, stored_forecast
from rollouts.episode import Spend
from rollouts.errors import UsageError
from tests.infra.forecasts import CHAT, PRICED, config, played, told


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with one run of `every_step`, seed 0."""
    root = tmp_path_factory.mktemp("recorded")
    played(config(root))
    return root


def run_of(root: Path) -> str:
    [run_id] = [path.parent.name for path in root.glob("runs/*/run.json")]
    return run_id


# -- from a recorded run ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_a_recorded_run_foretells_the_calls_of_another_seed(recorded: Path, tmp_path: Path, seed: int) -> None:
    foretold = told(config(recorded, seed=seed))
    _, spend = played(config(tmp_path, seed=seed))
    assert foretold["figures"] == {"plays": f"run {run_of(recorded)}", "calls": f"run {run_of(recorded)}"}
    assert foretold["recorded_trees"] == 12
    calls = foretold["llm_calls"]
    assert calls["total"]["expected"] == pytest.approx(spend.calls, rel=0.25)
    assert calls["actor"]["expected"] == pytest.approx(spend.actor_calls, rel=0.25)
    assert calls["user"]["expected"] == pytest.approx(spend.user_calls, rel=0.25)


@pytest.mark.parametrize("policy", ["none", "first_error", "bisect", "adaptive"])
def test_a_recorded_run_foretells_what_another_policy_takes_within_its_range(
    recorded: Path, tmp_path: Path, policy: str
) -> None:
    other: dict[str, Any] = {"branching": {"policy": policy, "trunks": 4}}
    foretold = told(config(recorded, seed=3, **other))
    _, spend = played(config(tmp_path, seed=3, **other))
    calls = foretold["llm_calls"]["total"]
    assert calls["low"] <= spend.calls <= calls["high"]
    assert compared(foretold, spend, wall_s=None)["llm_calls"]["in_range"]


def test_plays_that_measure_critiques_are_foretold(tmp_path: Path) -> None:
    asked: dict[str, Any] = {
        "critic": {"kind": "scripted", "review": "none", "hit_rate": 0.9, "false_alarm_rate": 0.2},
        "branching": {"critiques": True, "uplift_rollouts": 2},
    }
    recorded, other = tmp_path / "recorded", tmp_path / "other"
    assumed = told(config(recorded, **asked))["llm_calls"]["critic"]["expected"]
    played(config(recorded, **asked))
    foretold = told(config(recorded, seed=1, **asked))["llm_calls"]
    _, spend = played(config(other, seed=1, **asked))
    assert assumed > 0
    assert foretold["critic"]["expected"] == pytest.approx(spend.critic_calls, rel=0.25)
    assert foretold["total"]["expected"] == pytest.approx(spend.calls, rel=0.25)


def test_the_most_similar_run_is_chosen_and_another_can_be_named(tmp_path: Path) -> None:
    first, _ = played(config(tmp_path, count=3, branching={"policy": "none"}))
    second, _ = played(config(tmp_path, count=2))
    wanted = config(tmp_path, count=2, seed=5)
    assert told(wanted)["figures"]["plays"] == f"run {second.run_id}"
    assert told(wanted, like=first.run_id)["figures"]["plays"] == f"run {first.run_id}"
    with pytest.raises(UsageError, match="no run 'nobody'"):
        told(wanted, like="nobody")


def test_a_run_of_another_world_or_kind_of_actor_tells_nothing(recorded: Path) -> None:
    elsewhere = told(config(recorded, tasks={"domain": "early_error"}))
    assert set(elsewhere["figures"].values()) == {"assumed"}
    model = told(config(recorded, actor=CHAT))
    assert model["figures"] == {"plays": "assumed", "calls": "assumed", "actor": "assumed"}


def test_a_run_does_not_foretell_itself(recorded: Path) -> None:
    assert told(config(recorded, run={"id": run_of(recorded)}))["figures"]["plays"] == "assumed"


def test_foretelling_writes_nothing(tmp_path: Path) -> None:
    told(config(tmp_path / "new"))
    assert not list(tmp_path.iterdir())


# -- assumed ----------------------------------------------------------------------------------------------------------


def test_without_forks_the_episodes_are_certain(tmp_path: Path) -> None:
    episodes = told(config(tmp_path, branching={"policy": "none"}))["episodes"]
    assert episodes["low"] == episodes["expected"] == episodes["high"] == episodes["at_least"] == 36


def test_twice_the_rollouts_are_nearly_twice_the_branches(tmp_path: Path) -> None:
    few, many = (told(config(tmp_path, branching={"rollouts": n}))["episodes"]["expected"] for n in (32, 64))
    assert many - 36 == pytest.approx(2 * (few - 36), rel=0.02)


def test_tokens_are_measured_from_the_briefing_and_money_from_the_prices(tmp_path: Path) -> None:
    foretold = told(config(tmp_path, actor=PRICED, user={**PRICED, "price_per_million_prompt": 10.0}))
    costs, tokens = foretold["cost_usd"], foretold["tokens"]
    assert costs["total"]["expected"] == pytest.approx(costs["actor"]["expected"] + costs["user"]["expected"], rel=1e-3)
    assert costs["total"]["low"] < costs["total"]["expected"] < costs["total"]["high"]
    assert tokens["cached"] is None
    assert tokens["actor"]["expected"] > foretold["llm_calls"]["actor"]["expected"] * 80
    assert foretold["warnings"] == []


def test_a_model_without_a_price_makes_the_cost_unknown_and_is_named(tmp_path: Path) -> None:
    foretold = told(config(tmp_path, actor=PRICED, user=CHAT))
    assert foretold["cost_usd"]["total"] is None
    assert foretold["cost_usd"]["user"] is None
    assert foretold["cost_usd"]["actor"]["expected"] > 0
    assert any("user.price_per_million_prompt" in warning for warning in foretold["warnings"])
    assert dict(forecast_rows(foretold))["cost"].startswith("unknown")


def test_an_endpoints_rate_bounds_the_time(tmp_path: Path) -> None:
    free = told(config(tmp_path, actor=CHAT))
    limited = told(config(tmp_path, actor={**CHAT, "requests_per_min": 10.0}))
    assert limited["wall_time_s"]["bound_by"].startswith("requests_per_min of large")
    least = limited["llm_calls"]["actor"]["expected"] * 6
    assert limited["wall_time_s"]["expected"] > least > free["wall_time_s"]["expected"]


def test_a_reviewing_critic_is_counted(tmp_path: Path) -> None:
    alone = told(config(tmp_path))["llm_calls"]
    critic = told(config(tmp_path, critic={"kind": "scripted", "review": "all", "max_revisions": 1}))["llm_calls"]
    assert alone["critic"]["expected"] == 0
    assert critic["critic"]["expected"] > 0.75 * alone["actor"]["expected"]
    # every draft but those drawn at forks
    assert critic["actor"]["expected"] > alone["actor"]["expected"]


# -- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "named"),
    [({"calls": 3}, "limits.calls = 3"), ({"tokens": 90}, "limits.tokens"), ({"cost_usd": 1e-6}, "limits.cost_usd")],
)
def test_a_budget_smaller_than_one_episode_is_refused(tmp_path: Path, limits: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=rf"{named}\b.* buys no episode") as refused:
        told(config(tmp_path, actor=PRICED, limits=limits))
    assert "or to 0 for no limit" in str(refused.value)


def test_a_budget_smaller_than_the_triage_is_told(tmp_path: Path) -> None:
    [warning] = told(config(tmp_path, limits={"calls": 100}))["warnings"]
    assert warning.startswith("limits.calls = 100 ends the run before triage is complete")


def test_a_budget_that_will_stop_the_run_is_told(tmp_path: Path) -> None:
    foretold = told(config(tmp_path))
    triage, total = foretold["triage"]["calls"], foretold["llm_calls"]["total"]["expected"]
    assert triage < total
    between = int((triage + total) / 2)
    [warning] = told(config(tmp_path, limits={"calls": between}))["warnings"]
    assert warning.startswith(f"limits.calls = {between} is expected to stop the run at")
    assert told(config(tmp_path, limits={"calls": int(2 * total)}))["warnings"] == []


# -- what is told -----------------------------------------------------------------------------------------------------


def test_a_forecast_is_json_and_its_rows_say_where_each_figure_comes_from(recorded: Path) -> None:
    foretold = told(config(recorded, seed=1))
    assert json.loads(json.dumps(foretold)) == foretold
    rows = dict(forecast_rows(foretold))
    assert rows["figures"] == f"plays, calls: run {run_of(recorded)} (12 trees)"
    assert rows["LLM calls"].startswith("about ")
    assert rows["cost"] == "$0.00"
    assumed = dict(forecast_rows(told(config(recorded, actor=PRICED))))
    assert assumed["figures"] == "plays, calls, actor: assumed"


def test_a_comparison_tells_the_error_of_each_amount(tmp_path: Path) -> None:
    stored = stored_forecast(told(config(tmp_path, actor=PRICED)))
    assert not {"task_ids", "root", "run_id", "warnings"} & stored.keys()
    calls = stored["llm_calls"]["total"]["expected"]
    spend = Spend(actor_calls=round(calls / 4), prompt_tokens=10, cost_usd=None)
    found = compared(stored, spend, wall_s=None)
    assert found["llm_calls"]["error"] == pytest.approx(3.0, abs=0.01)
    assert not found["llm_calls"]["in_range"]
    assert found["cost_usd"]["predicted"] > 0
    assert found["cost_usd"]["real"] is found["cost_usd"]["error"] is None
    [(heading, text)] = prediction_rows(found)
    assert heading == "predicted"
    assert f"{round(calls):,} LLM calls (+300%)" in text


def test_a_run_begun_without_a_forecast_compares_with_nothing() -> None:
    assert compared({}, Spend(actor_calls=9), wall_s=1.0) == {}
    assert prediction_rows({}) == []
