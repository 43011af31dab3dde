"""An engine that a test holds in its hand: it counts characters as tokens and answers when it is let."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

from actors.critic_admission import Priority
from actors.critic_service import EngineLoad, EngineLost, Reply
from labeling.rubric import ChatMessage


class FakeEngine:
    def __init__(
        self, *, window: int = 1_000_000, text: str = "", approve: float | None = 0.9, held: bool = False
    ) -> None:
        self._window = window
        self._text = text
        self._first_token = {} if approve is None else {"A": math.log(approve), "R": math.log(1 - approve)}
        self.let = asyncio.Event()
        if not held:
            self.let.set()
        self.inside: list[int] = []
        # seeds of the questions that are in it now
        self.entered: list[int] = []
        self.aborted: list[int] = []
        self.prompts: list[str] = []
        self.dead = False

    @property
    def window(self) -> int:
        return self._window

    def encode(self, messages: Sequence[ChatMessage]) -> list[int]:
        return [ord(character) for message in messages for character in message["content"]]

    async def generate(self, tokens: list[int], *, seed: int, priority: Priority) -> Reply:
        self.entered.append(seed)
        self.inside.append(seed)
        self.prompts.append("".join(map(chr, tokens)))
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.aborted.append(seed)
            raise
        finally:
            self.inside.remove(seed)
        if self.dead:
            raise EngineLost("killed")
        return Reply(
            text=self._text,
            first_token=self._first_token,
            completion_tokens=1,
            cached_tokens=len(tokens) // 2,
            queued_s=0.25,
            finish_reason="stop",
        )

    def load(self) -> EngineLoad:
        return EngineLoad(running=len(self.inside))
