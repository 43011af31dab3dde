"""What every environment keeps to. A test class inherits `EnvironmentSuite` and gives the fixtures that raise here."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest

from rollouts.episode import AssistantMessage, Reward, Side, StopReason, Task, ToolCall
from rollouts.errors import UsageError
from rollouts.protocols import Environment
from tests.needs import REPOSITORY

SAID = (AssistantMessage(text="Hello, how can I help you?"),)
ELSEWHERE = """
import json, sys
from actors.environments.registry import environment
from rollouts.episode import ToolCall
asked = json.load(sys.stdin)
there = environment(asked["name"], asked["domain"])
state = there.load(bytes.fromhex(asked["state"]))
key = there.key(state).hex()
answers = []
for side, name, arguments in asked["calls"]:
    transition = there.apply(state, ToolCall(call_id="1", name=name, arguments=arguments), side=side)
    state = transition.state
    answers.append(transition.content)
print(json.dumps({"key": key, "answers": answers, "end": there.key(state).hex()}))
"""
# loads a stored state in a new process and plays on


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a suite plays: sequences of calls on one task, and calls that show all that the sequences change."""

    name: str
    # of the environment, as in the registry
    domain: str
    task: Task
    plays: Sequence[Sequence[ToolCall]]
    probes: Sequence[ToolCall]
    wrong: Sequence[ToolCall]
    # calls that the environment refuses
    user_tools: frozenset[str] = frozenset()
    # names of the calls that are the user's; all others are the actor's

    def side(self, call: ToolCall) -> Side:
        return "user" if call.name in self.user_tools else "actor"


class EnvironmentSuite:
    """Inherit it and give `environment` and `script`."""

    @pytest.fixture
    def environment(self) -> Environment[Any]:
        raise AssertionError("a suite's class gives its own environment")

    @pytest.fixture
    def script(self) -> Script:
        raise AssertionError("a suite's class gives its own script")

    def test_two_branches_never_see_each_other(self, environment: Environment[Any], script: Script) -> None:
        alone = [_ends(environment, script, environment.initial(script.task), play) for play in script.plays]
        fork = environment.initial(script.task)
        together = [_ends(environment, script, fork, play) for play in script.plays]
        assert together == alone

    def test_a_fork_deep_in_an_episode_is_not_disturbed_by_its_branches(
        self, environment: Environment[Any], script: Script
    ) -> None:
        for play in script.plays:
            for fork in _states(environment, script, play):
                before = _seen(environment, script, fork)
                for other in script.plays:
                    _ends(environment, script, fork, other)
                assert _seen(environment, script, fork) == before

    def test_the_same_calls_lead_to_the_same_place(self, environment: Environment[Any], script: Script) -> None:
        for play in script.plays:
            once, again = (_ends(environment, script, environment.initial(script.task), play) for _ in range(2))
            assert once == again

    def test_states_have_equal_keys_exactly_when_they_show_the_same(
        self, environment: Environment[Any], script: Script
    ) -> None:
        found = [(environment.key(s), _seen(environment, script, s)) for s in _all_states(environment, script)]
        assert len({key for key, _ in found}) > 1
        for (key, seen), (other_key, other_seen) in combinations(found, 2):
            assert (key == other_key) == (seen == other_seen)

    def test_probing_changes_nothing(self, environment: Environment[Any], script: Script) -> None:
        for state in _all_states(environment, script):
            for probe in script.probes:
                probed = environment.apply(state, probe, side=script.side(probe))
                assert environment.key(probed.state) == environment.key(state)

    def test_a_reward_has_no_effect_and_can_be_asked_for_again(
        self, environment: Environment[Any], script: Script
    ) -> None:
        for state in _all_states(environment, script):
            before = environment.key(state), environment.dump(state)
            rewards = [
                environment.reward(state, SAID, stop) for stop in 2 * (StopReason.USER_STOP, StopReason.TURN_LIMIT)
            ]
            assert rewards[:2] == rewards[2:]
            assert all(0 <= reward.value <= 1 and set(reward.parts) <= set(reward.basis) for reward in rewards)
            assert (environment.key(state), environment.dump(state)) == before

    def test_a_stored_state_goes_on_as_if_it_had_never_been_stored(
        self, environment: Environment[Any], script: Script
    ) -> None:
        for state in _all_states(environment, script):
            stored = environment.load(environment.dump(state))
            assert environment.key(stored) == environment.key(state)
            for play in script.plays:
                assert _ends(environment, script, stored, play) == _ends(environment, script, state, play)

    def test_a_stored_state_goes_on_in_another_process(self, environment: Environment[Any], script: Script) -> None:
        first, second = script.plays[:2]
        state = list(_states(environment, script, first))[-1]
        asked = {
            "name": script.name,
            "domain": script.domain,
            "state": environment.dump(state).hex(),
            "calls": [(script.side(call), call.name, dict(call.arguments)) for call in second],
        }
        command = [sys.executable, "-c", ELSEWHERE]
        answer = subprocess.run(
            command, input=json.dumps(asked), cwd=REPOSITORY, capture_output=True, text=True, check=True
        )
        there = json.loads(answer.stdout)
        contents, end = _played(environment, script, state, second)
        assert there == {"key": environment.key(state).hex(), "answers": contents, "end": environment.key(end).hex()}

    def test_neither_side_keeps_hold_of_the_others_arguments(
        self, environment: Environment[Any], script: Script
    ) -> None:
        for play in script.plays:
            state = environment.initial(script.task)
            for call in play:
                text = json.dumps(call.arguments)
                arguments = json.loads(text)
                copied = ToolCall(call_id="1", name=call.name, arguments=arguments)
                transition = environment.apply(state, copied, side=script.side(call))
                assert json.dumps(arguments) == text
                key = environment.key(transition.state)
                _spoil(arguments)
                assert environment.key(transition.state) == key
                state = environment.load(environment.dump(transition.state))
                assert environment.key(state) == key

    def test_what_a_tool_refuses_is_an_observation(self, environment: Environment[Any], script: Script) -> None:
        assert script.wrong
        for state in _all_states(environment, script):
            for call in script.wrong:
                transition = environment.apply(state, call, side=script.side(call))
                assert transition.is_error, call
                assert transition.content, call
                assert transition.stop is None, call

    def test_a_briefing_describes_every_tool_by_a_schema(self, environment: Environment[Any], script: Script) -> None:
        briefing = environment.briefing(script.task)
        assert briefing == environment.briefing(script.task)
        assert briefing.policy
        assert briefing.user_instructions
        called = {call.name for play in script.plays for call in play}
        assert called - script.user_tools <= {tool.name for tool in briefing.tools}
        assert called & script.user_tools <= {tool.name for tool in briefing.user_tools}
        for tool in (*briefing.tools, *briefing.user_tools):
            assert tool.description
            assert tool.parameters["type"] == "object"
            assert json.loads(json.dumps(tool.parameters)) == tool.parameters

    def test_an_unknown_split_is_refused_with_the_known_ones(
        self, environment: Environment[Any], script: Script
    ) -> None:
        assert script.task in environment.tasks(script.task.split)
        with pytest.raises(UsageError, match=script.task.split):
            environment.tasks("no such split")

    def test_ordinary_words_end_no_episode(self, environment: Environment[Any]) -> None:
        assert environment.user_stop("Please stop the transfer of my order.") is None


Seen = tuple[tuple[str, ...], Reward]


def _seen(environment: Environment[Any], script: Script, state: Any) -> Seen:
    """Everything that a tool or the reward shows of a state, as far as the probes reach."""
    contents = tuple(environment.apply(state, probe, side=script.side(probe)).content for probe in script.probes)
    return contents, environment.reward(state, SAID, StopReason.USER_STOP)


def _played(
    environment: Environment[Any], script: Script, state: Any, play: Sequence[ToolCall]
) -> tuple[list[str], Any]:
    contents = []
    for call in play:
        transition = environment.apply(state, call, side=script.side(call))
        state = transition.state
        contents.append(transition.content)
    return contents, state


def _ends(
    environment: Environment[Any], script: Script, state: Any, play: Sequence[ToolCall]
) -> tuple[list[str], Seen, bytes]:
    contents, end = _played(environment, script, state, play)
    return contents, _seen(environment, script, end), environment.key(end)


def _states(environment: Environment[Any], script: Script, play: Sequence[ToolCall]) -> Iterator[Any]:
    state = environment.initial(script.task)
    yield state
    for call in play:
        state = environment.apply(state, call, side=script.side(call)).state
        yield state


def _all_states(environment: Environment[Any], script: Script) -> list[Any]:
    return [state for play in script.plays for state in _states(environment, script, play)]


def _spoil(arguments: Any) -> None:
    """Overwrite every container in place."""
    match arguments:
        case dict():
            for value in arguments.values():
                _spoil(value)
            arguments.clear()
        case list():
            for value in arguments:
                _spoil(value)
            arguments.append("spoilt")
        case _:
            return
