"""The suite of every environment. Its calls are the actor's; what the user's side does is forked in `test_equivalence`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from rollouts.episode import JsonValue, ToolCall
from rollouts.protocols import Environment
from tests.conformance.environment import EnvironmentSuite, Script

WRONG_IDS: tuple[JsonValue, ...] = (
    None,
    7,
    1.5,
    True,
    [],
    {},
    ["F1"],
    "",
    "F",
    "f1",
    "F1,F2",
    "F1 F2",
    "X1",
    "9" * 4_000,
)


def answer(option_id: JsonValue) -> ToolCall:
    return ToolCall(call_id="1", name="answer", arguments={"option_id": option_id})


def named(name: str, **arguments: JsonValue) -> ToolCall:
    return ToolCall(call_id="1", name=name, arguments=arguments)


def script(environment: Environment[Any]) -> Script:
    task = environment.tasks("T-233/train")[0]
    data: Any = task.data
    first, second, third = (data[aspect] for aspect in data["dimensions"])
    best = [aspect["best_id"] for aspect in (first, second, third)]
    fair = [next(name for name in a["correct_ids"] if name != a["best_id"]) for a in (first, second, third)]
    return Script(
        name="userbench",
        domain="travel",
        task=task,
        plays=[
            [answer(best[0]), answer(best[1]), answer(best[2])],
            [answer(fair[1]), answer(best[0])],
            [answer(best[0]), answer(fair[0])],
            [answer(f"{best[2][0]}0"), answer(fair[1]), answer(best[1])],
        ],
        probes=[answer("F1,F2"), answer("?")],
        # what is not answered yet has no part in the reward, so that the reward tells every state from the others
        wrong=[
            *map(answer, WRONG_IDS),
            named("answer"),
            named("answer", option_id="F1", more=1),
            named("no_such_tool"),
            named("hear", message="Hello"),
            named("reply", text="{}"),
        ],
    )


@pytest.mark.userbench
class TestUserBench(EnvironmentSuite):
    @pytest.fixture
    def environment(self, checkout: Path) -> Environment[Any]:
        return registered("userbench", "travel")

    @pytest.fixture
    def script(self, environment: Environment[Any]) -> Script:
        return script(environment)
