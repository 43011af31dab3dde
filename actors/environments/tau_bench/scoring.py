"""The return of a trajectory (upstream: tau_bench/envs/base.py, `Env.calculate_reward`; agents/*.py for when it is asked).

- DB: the database is the gold sequence's; OUTPUTS, where the task has any: each one stands in a message to the user,
  case and the message's commas aside. The return is the product;
- an episode that the world did not end is never asked for its reward upstream, and is worth 0 on every part.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from actors.environments.tau_bench.overlay import Differences
from rollouts.episode import AssistantMessage, Conversation, Reward

Verdicts: TypeAlias = tuple[bool, bool]
# of DB and of OUTPUTS


class Grading:
    """What the ends of one task are worth; shared by all of its states."""

    __slots__ = ("_outputs", "_rewards", "gold")

    def __init__(self, *, gold: Differences, outputs: Sequence[str]) -> None:
        """`gold`: where the database differs from the base after the gold sequence."""
        self.gold = gold
        self._outputs = tuple(output.lower() for output in outputs)
        self._rewards: Mapping[Verdicts, Reward] = {
            (db, told): _reward(db=db, told=told if outputs else None) for db in (False, True) for told in (False, True)
        }

    def reward(self, differences: Differences, conversation: Conversation) -> Reward:
        """Of an episode that the world ended."""
        return self._rewards[differences == self.gold, communicated(self._outputs, conversation)]

    def unfinished(self) -> Reward:
        return self._rewards[False, False]


def _reward(*, db: bool, told: bool | None) -> Reward:
    """`told` is None for a task without outputs."""
    parts = {"DB": float(db)} | ({} if told is None else {"OUTPUTS": float(told)})
    return Reward(value=math.prod(parts.values()), basis=tuple(parts), parts=parts)


def communicated(outputs: Sequence[str], conversation: Conversation) -> bool:
    """Whether each of the lower-cased `outputs` stands in a message to the user; text beside a tool call is none."""
    if not outputs:
        return True
    said = [
        message.text.lower().replace(",", "")
        for message in conversation
        if isinstance(message, AssistantMessage) and not message.tool_calls
    ]
    return all(any(output in text for text in said) for output in outputs)
