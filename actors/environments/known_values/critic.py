"""A critic of the known-values world: it knows which options are fine, and is right at configured rates.

Its advice names one action. Advice against a right draft names another one, so that a false alarm can do harm.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.environments.known_values.actor import Choice, KnownActor
from actors.environments.known_values.draws import described, luck_of
from actors.environments.known_values.words import ADVICE
from actors.scripted import CriticRates
from rollouts.episode import Approve, Draft, Revise, Task, Usage, Verdict
from rollouts.identity import action_key
from rollouts.protocols import Judgement, Question


class KnownCritic:
    """Implements `rollouts.protocols.Critic` for the questions of one task."""

    def __init__(self, task: Task, *, rates: CriticRates) -> None:
        self._actor = KnownActor(task)
        self._rates = rates

    @property
    def identity(self) -> str:
        return f"known_values:critic/hit={self._rates.hit_rate}/false_alarm={self._rates.false_alarm_rate}"

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [Judgement(verdict=self._verdict(question), usage=Usage()) for question in questions]

    def _verdict(self, question: Question) -> Verdict:
        choices = self._actor.choices(self._actor.last_told(question.conversation))
        good = any(choice.good and _same(choice, question.draft) for choice in choices)
        objects = self._rates.false_alarm_rate if good else self._rates.hit_rate
        advised = [choice for choice in choices if choice.good != good]
        if luck_of(question.seed) >= objects or not advised:
            return Approve()
        best = max(advised, key=lambda choice: choice.chance)
        return Revise(feedback=ADVICE + described(best.draft))


def _same(choice: Choice, draft: Draft) -> bool:
    return action_key(choice.draft) == action_key(draft)
