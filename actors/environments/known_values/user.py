"""The simulated user of the known-values world: all chance that is not the actor's comes in here, by the seeds of its turns.

To what the actor says it answers with a call of its own (hidden from the actor) that says what turned, what worked and what it
forgives; then it reads out what that call was answered. It knows its task, not what the actor has done.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from actors.environments.known_values.draws import Outcomes, calling, draw
from actors.environments.known_values.plan import LETTERS, plan_of
from actors.environments.known_values.words import GO_ON, GOODBYE, openings, question, statement
from rollouts.episode import (
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    JsonValue,
    Task,
    ToolMessage,
)

_GOES_ON: Outcomes = ((1.0, Draft(text=GO_ON)),)


class KnownUser:
    """Implements `rollouts.protocols.Policy` for one task."""

    def __init__(self, task: Task) -> None:
        """UsageError when the task is none of this world."""
        self._plan = plan_of(task)
        self._heard = {text: place for place, text in self._texts()}
        self._reactions: dict[str, Outcomes] = {}

    @property
    def identity(self) -> str:
        return "known_values:user"

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """A draft drawn from `outcomes` by the seed; nobody criticises a user, so `feedback` changes nothing."""
        return draw(self.outcomes(conversation, briefing), seed=seed)

    def outcomes(self, conversation: Conversation, briefing: Briefing) -> tuple[tuple[float, Draft], ...]:
        """Every draft that `act` may give here, with its probability."""
        if not conversation:
            return tuple((1 / len(openings()), Draft(text=text)) for text in openings())
        match conversation[-1]:
            case AssistantMessage(text=text, tool_calls=()):
                return self.reactions(text)
            case ToolMessage(side="user", is_error=False, content=content):
                return ((1.0, Draft(text=content)),)
            case _:
                return _GOES_ON

    def reactions(self, text: str) -> Outcomes:
        """The user's calls after these words of the actor; the plain request to go on where they mean nothing to it."""
        if text not in self._heard:
            return _GOES_ON
        if text not in self._reactions:
            self._reactions[text] = tuple(self._calls(*self._heard[text]))
        return self._reactions[text]

    def _texts(self) -> Iterator[tuple[tuple[str, int, int], str]]:
        """All that the actor may say, and what is meant by it."""
        plan = self._plan
        for stage, described in enumerate(plan.stages):
            if described.kind == "message":
                for option in range(len(described.fine)):
                    yield ("statement", stage, option), statement(stage, option)
        for stage in range(plan.depth + 1):
            for tries in range(plan.rules.recovery_steps):
                yield ("question", stage, tries), question(stage, tries)
        yield ("goodbye", plan.depth, 0), GOODBYE

    def _calls(self, kind: str, stage: int, detail: int) -> Iterator[tuple[float, Draft]]:
        rules, call_id = self._plan.rules, f"{stage}-{detail}"
        match kind:
            case "question":
                for chance_of, worked in ((rules.recovery, True), (1 - rules.recovery, False)):
                    if chance_of > 0:
                        yield chance_of, calling("check_repair", call_id, worked=worked)
            case "statement":
                for chance_of, turned in self._turns(stage):
                    option = LETTERS[detail]
                    yield chance_of, calling("take_note", call_id, stage=stage, option=option, turned=turned)
            case _:
                for (first, turned), (second, tolerance) in product(self._turns(stage), self._tolerances()):
                    yield first * second, calling("conclude", call_id, turned=turned, tolerance=tolerance)

    def _turns(self, stage: int) -> list[tuple[float, list[JsonValue]]]:
        """Which of the effects that are decided here turn, each by itself."""
        waiting, noise = self._plan.settles[stage], self._plan.rules.noise
        found: list[tuple[float, list[JsonValue]]] = []
        for flips in product((False, True), repeat=len(waiting)):
            probability = noise ** sum(flips) * (1 - noise) ** (len(flips) - sum(flips))
            if probability > 0:
                found.append((probability, [made for made, flip in zip(waiting, flips, strict=True) if flip]))
        return found

    def _tolerances(self) -> list[tuple[float, int]]:
        """So drawn that n errors are forgiven with the chance `solved[n]`; −1 forgives not even a play without errors."""
        steps = [1.0, *self._plan.rules.solved, 0.0]
        chances = [(steps[i] - steps[i + 1], i - 1) for i in range(len(steps) - 1)]
        return [(probability, tolerance) for probability, tolerance in chances if probability > 0]
