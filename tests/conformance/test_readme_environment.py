"""The README's example of an environment is complete: it passes the suite that every environment passes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from actors.environments.registry import environment as registered
from rollouts.episode import ToolCall
from rollouts.errors import UsageError
from rollouts.protocols import Environment
from tests.conformance.environment import EnvironmentSuite, Script
from tests.needs import REPOSITORY

NAME = "my_worlds.lamp"
SWITCH = ToolCall(call_id="1", name="switch", arguments={})
LOOK = ToolCall(call_id="1", name="look", arguments={})


@pytest.fixture(scope="module", autouse=True)
def my_worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example in a package of its own, where this process and its children find it."""
    folder = tmp_path_factory.mktemp("example")
    text = (REPOSITORY / "README.md").read_text()
    example = text.split("### Add an environment")[1].split("```python\n")[1].split("```")[0]
    (folder / "my_worlds").mkdir()
    (folder / "my_worlds" / "lamp.py").write_text(example)
    before = os.environ.get("PYTHONPATH", "")
    sys.path.insert(0, str(folder))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *([before] if before else [])])
    yield
    sys.path.remove(str(folder))
    os.environ["PYTHONPATH"] = before


class TestReadmeEnvironment(EnvironmentSuite):
    @pytest.fixture
    def environment(self) -> Environment[Any]:
        return registered(NAME, "lamp")

    @pytest.fixture
    def script(self, environment: Environment[Any]) -> Script:
        [task] = environment.tasks("train")
        wrong = [
            ToolCall(call_id="1", name="switch", arguments={"on": True}),
            ToolCall(call_id="1", name="x", arguments={}),
        ]
        plays = [[SWITCH], [SWITCH, SWITCH], [SWITCH, SWITCH, SWITCH]]
        return Script(name=NAME, domain="lamp", task=task, plays=plays, probes=[LOOK], wrong=wrong)


def test_a_module_that_is_not_there_says_where_it_was_looked_for() -> None:
    with pytest.raises(UsageError, match=r"my_worlds\.lantern.*PYTHONPATH"):
        registered("my_worlds.lantern", "lamp")


def test_a_module_that_is_no_environment_says_what_it_needs() -> None:
    with pytest.raises(UsageError, match="open_environment"):
        registered("json.decoder", "lamp")
