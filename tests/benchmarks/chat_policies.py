"""CPU of one turn outside the HTTP client: `python -m tests.benchmarks.chat_policies`.

Each player is given a client that answers at once, so what is measured is conversation to request and reply to draft or verdict.
The case has the size of a τ² retail turn: 7 kB of policy, 16 tools of 830 bytes, 30 messages.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping

from actors.chat_critic import ChatCritic
from actors.chat_endpoint import Endpoint
from actors.chat_policy import ChatActor, ChatUser
from actors.chat_react import ReActActor
from actors.chat_wire import ChatRequest, Reply
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    JsonValue,
    PaidReply,
    ToolCall,
    ToolMessage,
    ToolSpec,
    Usage,
    UserMessage,
)
from rollouts.protocols import Question
from tests.benchmarks.measure import timed
from tests.benchmarks.table import print_table
from tests.chat.samples import endpoint

GOAL_MS = 0.15
ROUNDS = 5
USAGE = Usage(prompt_tokens=7_500, completion_tokens=60, replies=(PaidReply(model="m", prompt_tokens=7_500),))
CALL = ToolCall(call_id="call_0", name="tool_1", arguments={"p0": "v" * 20, "p1": "w" * 20})
Play = Callable[[], Awaitable[object]]


class Echo:
    """Implements `actors.chat_asking.Completer`: one reply to everything."""

    def __init__(self, text: str, *calls: ToolCall) -> None:
        self.endpoint: Endpoint = endpoint("http://127.0.0.1:1/v1", "m")
        self._reply = Reply(text=text, tool_calls=calls, reasoning="", finish_reason="stop", usage=USAGE)

    async def complete(self, request: ChatRequest) -> Reply:
        return self._reply


def _briefing() -> Briefing:
    arguments: dict[str, JsonValue] = {f"p{i}": {"type": "string", "description": "x" * 90} for i in range(4)}
    parameters: dict[str, JsonValue] = {"type": "object", "properties": arguments}
    tools = [ToolSpec(name=f"tool_{i}", description="x" * 200, parameters=parameters, kind="read") for i in range(16)]
    return Briefing(policy="p" * 7_000, tools=tuple(tools), user_instructions="u" * 4_000)


def _conversation(messages: int) -> Conversation:
    turn: Conversation = (
        UserMessage(text="u" * 150),
        AssistantMessage(text="", tool_calls=(CALL,)),
        ToolMessage(call_id="call_0", name="tool_1", content='{"key": "value", "other": [1, 2, 3]}' * 33),
        AssistantMessage(text="a" * 250),
    )
    return (turn * messages)[:messages]


def _players(conversation: Conversation, briefing: Briefing) -> Mapping[str, Play]:
    tools, user = ChatActor(Echo("", CALL)), ChatUser(Echo("u" * 150))
    react = ReActActor(Echo('Thought: t\nAction: {"tool":"tool_1","arguments":{"p0":"v"}}'))
    critic = ChatCritic(Echo('{"verdict":"approve","feedback":null}'))
    question = Question(conversation=conversation, briefing=briefing, draft=Draft(text="a" * 250), seed=1)
    return {
        "ChatActor.act": lambda: tools.act(conversation, briefing, seed=1),
        "ReActActor.act": lambda: react.act(conversation, briefing, seed=1),
        "ChatUser.act": lambda: user.act(conversation, briefing, seed=1),
        "ChatCritic.judge": lambda: critic.judge([question]),
    }


def _cpu_ms(play: Play, calls: int) -> float:
    async def one_after_the_other() -> None:
        for _ in range(calls):
            await play()

    seconds, _ = timed(lambda: asyncio.run(one_after_the_other()))
    return seconds * 1000 / calls


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="for each player and round")
    parser.add_argument("--messages", type=int, nargs="+", default=[10, 30, 100])
    options = parser.parse_args()
    rows = []
    for messages in options.messages:
        for name, play in _players(_conversation(messages), _briefing()).items():
            _cpu_ms(play, 1)  # fills what is made once
            rounds = sorted(_cpu_ms(play, options.calls) for _ in range(ROUNDS))
            rows.append([str(messages), name, *(f"{ms:.3f}" for ms in (rounds[ROUNDS // 2], rounds[0], rounds[-1]))])
    print(
        f"CPU per turn outside the client, ms, of {ROUNDS} rounds of {options.calls}; goal {GOAL_MS} at 30 messages\n"
    )
    print_table(("messages", "player", "median", "lowest", "highest"), rows)


if __name__ == "__main__":
    main()
