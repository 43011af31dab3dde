"""Upstream's recorded episodes of real models, replayed: the same tool outputs and the same rewards."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from actors.environments.tau_bench.checkout import find_checkout
from rollouts.episode import AssistantMessage, Message, StopReason, Task, ToolMessage, UserMessage
from tests.environments.plans import call
from tests.tau_bench.plain import open_once

pytestmark = pytest.mark.tau_bench
RECORDED = ("gpt-4o-airline", "gpt-4o-retail", "sonnet-35-new-airline", "sonnet-35-new-retail")
RENAMED = ('"province": ', '"state": ')
# a field of the users' addresses, in the package since (upstream's commit 404f33e)


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_episodes_answer_and_reward_as_they_did(name: str) -> None:
    path = find_checkout().root / "historical_trajectories" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"this copy of the repository lacks {path.name}")
    domain = name.rpartition("-")[2]
    rewards = Counter[float]()
    for episode in json.loads(path.read_bytes()):
        rewards[_replayed(domain, episode)] += 1
    assert rewards[1.0] and rewards[0.0]


def _replayed(domain: str, episode: Mapping[str, Any]) -> float:
    environment = open_once(domain)
    place = (episode["task_id"], episode["trial"])
    task = Task(task_id="recorded", domain=domain, split="test", data=episode["info"]["task"])
    state, stop = environment.initial(task), StopReason.TURN_LIMIT
    conversation: list[Message] = []
    messages = episode["traj"]
    for message, following in zip(messages, [*messages[1:], {}], strict=True):
        match message["role"]:
            case "user":
                conversation.append(UserMessage(text=message["content"]))
                stop = environment.user_stop(message["content"]) or stop
            case "assistant" if message.get("tool_calls"):
                function = message["tool_calls"][0]["function"]
                transition = environment.apply(state, call(function["name"], json.loads(function["arguments"])))
                assert transition.content == following["content"].replace(*RENAMED), place
                state, stop = transition.state, transition.stop or stop
                conversation.append(ToolMessage(call_id="1", name=function["name"], content=transition.content))
            case "assistant":
                conversation.append(AssistantMessage(text=message["content"] or ""))
    value = environment.reward(state, tuple(conversation), stop).value
    assert value == episode["reward"], place
    return value
