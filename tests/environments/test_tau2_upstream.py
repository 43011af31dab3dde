"""Upstream's own package: what is said where it is missing or another, and that we answer and reward as it does."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from actors.environments.tau2.environment import Tau2Environment
from actors.environments.tau2.machinery import Machinery, imported
from actors.environments.tau2.toolbox import Toolbox
from actors.environments.tau2_upstream import open_environment, upstream_code
from actors.environments.tau2_upstream.checkout import find_package, find_source
from actors.environments.tau2_upstream.domains import DOMAINS
from actors.environments.tau2_upstream.light_import import light_imports
from rollouts.episode import Conversation, Side, StopReason, Task, ToolCall
from rollouts.errors import UsageError
from tests.environments.needs_upstream import needs_upstream
from tests.environments.plain import World, adopt_ids, contents, whole
from tests.environments.plans import call, gold_steps, said
from tests.needs import REPOSITORY

OPENED = """
import sys
sys.path[:0] = {paths!r}
from actors.environments.tau2_upstream import open_environment
from rollouts.errors import UsageError
try:
    open_environment("retail")
except UsageError as error:
    sys.exit(f"refused: {{error}}")
"""
PROJECT = '[project]\nname = "tau2"\nversion = "{version}"\n'


# -- finding it -------------------------------------------------------------------------------------------------------


def _refusal(*paths: Path) -> str:
    code = OPENED.format(paths=[str(path) for path in (*paths, REPOSITORY)])
    found = subprocess.run([sys.executable, "-c", code], cwd="/", env={}, capture_output=True, text=True, check=False)
    assert "refused: " in found.stderr, found.stderr
    return found.stderr


def _package(root: Path, *, version: str = "1.0.1") -> Path:
    """An empty package of upstream's shape, as in a checkout."""
    package = root / "src" / "tau2"
    (package / "domains" / "telecom").mkdir(parents=True)
    for name in ("__init__.py", "registry.py"):
        (package / name).write_text("")
    (root / "pyproject.toml").write_text(PROJECT.format(version=version))
    return root / "src"


def test_an_unknown_domain_is_refused_before_the_package_is_looked_for() -> None:
    with pytest.raises(UsageError, match=r"unknown tau2_upstream domain 'bank'.*'banking_knowledge'"):
        open_environment("bank")


def test_another_package_of_the_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tau2").mkdir()
    (tmp_path / "tau2" / "__init__.py").write_text("raise AssertionError('imported')")
    assert "PyPI's tau2 is a package about chemistry" in _refusal(tmp_path)


def test_another_version_is_refused_with_both(tmp_path: Path) -> None:
    assert "needs tau2 1.0, but" in (refusal := _refusal(_package(tmp_path, version="2.3.0")))
    assert "is 2.3.0" in refusal


def test_a_package_without_its_data_is_refused_with_the_variable_to_set(tmp_path: Path) -> None:
    assert "set TAU2_DATA_DIR" in _refusal(_package(tmp_path))


# -- playing it -------------------------------------------------------------------------------------------------------


class Upstream:
    """One domain by upstream's own environment and evaluators."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        source = find_source(domain)
        self._source = source
        with light_imports(find_package()):
            self._make = imported(f"tau2.domains.{domain}.environment:get_environment", source)
            self._task = imported("tau2.data_model.tasks:Task", source)
            self._call = imported("tau2.data_model.message:ToolCall", source)
            self._messages = {
                "actor": imported("tau2.data_model.message:AssistantMessage", source),
                "user": imported("tau2.data_model.message:UserMessage", source),
            }
            evaluators = ("env:EnvironmentEvaluator", "action:ActionEvaluator", "communicate:CommunicateEvaluator")
            self._evaluators = [imported(f"tau2.evaluator.evaluator_{path}", source) for path in evaluators]

    def begun(self, task: Task) -> Any:
        made = self._constructed(task)()
        read = self._task.model_validate(task.data)
        initial = read.initial_state
        made.set_state(
            initialization_data=initial and initial.initialization_data,
            initialization_actions=initial and initial.initialization_actions,
            message_history=[],
        )
        return made

    def answer(self, made: Any, side: Side, call: ToolCall) -> Any:
        requestor = "user" if side == "user" else "assistant"
        arguments = json.loads(json.dumps(dict(call.arguments)))
        return made.get_response(self._call(id="1", name=call.name, arguments=arguments, requestor=requestor))

    def parts(self, task: Task, steps: Sequence[tuple[Side, ToolCall]]) -> dict[str, float]:
        """Each part of the reward that upstream evaluates without a model."""
        made, trajectory = self.begun(task), []
        for side, step in steps:
            answer = self.answer(made, side, step)
            requestor = "user" if side == "user" else "assistant"
            wanted = self._call(id="1", name=step.name, arguments=dict(step.arguments), requestor=requestor)
            trajectory += [self._messages[side](role=requestor, content=None, tool_calls=[wanted]), answer]
        read = self._task.model_validate(task.data)
        env, action, communicate = self._evaluators
        found = {
            **env.calculate_reward(self._constructed(task), read, trajectory).reward_breakdown,
            **action.calculate_reward(read, trajectory).reward_breakdown,
            **communicate.calculate_reward(read, trajectory).reward_breakdown,
        }
        return {part.value: value for part, value in found.items()}

    def _constructed(self, task: Task) -> Any:
        options: dict[str, Any] = {}
        if self._domain == "banking_knowledge":
            named = [step.arguments.get("agent_tool_name") for _, step in gold_steps(task)]
            options = {"retrieval_variant": "grep_only", "read_log_allowlist": {name for name in named if name}}
        return lambda solo_mode=False: self._make(**options)


def _worlds(domain: str) -> tuple[Tau2Environment, Machinery, Upstream]:
    environment = open_environment(domain)
    return environment, upstream_code.machinery(DOMAINS[domain], find_source(domain)), Upstream(domain)


@needs_upstream
@pytest.mark.parametrize("domain", DOMAINS)
def test_some_gold_sequences_end_where_upstreams_environment_ends(domain: str) -> None:
    _play(domain, every=12)


@needs_upstream
@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_gold_sequence_ends_where_upstreams_environment_ends(domain: str) -> None:
    _play(domain, every=1)


def _play(domain: str, *, every: int) -> None:
    environment, code, theirs = _worlds(domain)
    toolbox = Toolbox(code)
    for task in environment.tasks("base")[::every]:
        state, made = environment.initial(task), theirs.begun(task)
        for side, step in gold_steps(task):
            transition, answer = environment.apply(state, step, side=side), theirs.answer(made, side, step)
            assert (transition.content, transition.is_error) == (answer.content, answer.error), (task.task_id, step)
            state = transition.state
        databases = [made.tools.db, made.user_tools.db] if len(code.databases) == 2 else [made.tools.db]
        world, ours = World(databases=databases, memory={}), whole(toolbox, state.tables, code)
        if code.minted_in:
            adopt_ids(world, ours)
        ours.memory = {}
        assert contents(ours) == contents(world), task.task_id


@needs_upstream
@pytest.mark.parametrize("domain", DOMAINS)
def test_some_rewards_are_those_of_upstreams_evaluators(domain: str) -> None:
    _reward(domain, every=20)


@needs_upstream
@pytest.mark.slow
@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_reward_is_that_of_upstreams_evaluators(domain: str) -> None:
    _reward(domain, every=1)


def _reward(domain: str, *, every: int) -> None:
    environment, _, theirs = _worlds(domain)
    seen = set[float]()
    for task in environment.tasks("base")[::every]:
        for steps in _variations(task):
            state = environment.initial(task)
            conversation: Conversation = ()
            for side, step in steps:
                state = environment.apply(state, step, side=side).state
                conversation += said(side, step)
            parts = environment.reward(state, conversation, StopReason.USER_STOP).parts
            expected = theirs.parts(task, steps)
            assert {part: expected[part] for part in parts} == parts, (task.task_id, steps)
            seen.update(parts.values())
    assert seen == {0.0, 1.0}


def _variations(task: Task) -> Iterator[list[tuple[Side, ToolCall]]]:
    """The gold sequence, nothing, and the gold sequence without one of its calls and with one of them twice."""
    gold = gold_steps(task)
    yield gold
    yield []
    chance = random.Random(task.task_id)
    if gold:
        without = list(gold)
        without.remove(chance.choice(gold))
        yield without
        yield [*gold, chance.choice(gold)]


@needs_upstream
def test_a_calculation_that_would_never_end_is_refused() -> None:
    environment = open_environment("retail")
    state = environment.initial(environment.tasks("train")[0])
    assert environment.apply(state, call("calculate", {"expression": "9**9**9"})).is_error
    assert environment.apply(state, call("calculate", {"expression": "(150.5 - 50) * 2"})).content == "201.0"


@needs_upstream
def test_a_user_is_told_of_its_tasks_own_tools_only() -> None:
    environment = open_environment("banking_knowledge")
    for task in environment.tasks("base"):
        shown = {tool.name for tool in environment.briefing(task).user_tools}
        assert shown == set(cast("list[str]", task.data["user_tools"]))


@needs_upstream
def test_playing_imports_no_model_client() -> None:
    code = """
import sys
from actors.environments.tau2_upstream import open_environment
for domain in ("retail", "telecom"):
    opened = open_environment(domain)
    task = opened.tasks("train")[0]
    opened.initial(task), opened.briefing(task)
print(sorted({"litellm", "openai", "deepdiff", "dotenv", "tau2"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert (found.stdout.strip(), found.stderr) == ("[]", "")
