"""Scripted stand-ins: an actor, a user and a critic that know the gold plan of their task and need no model.

They make tests, demonstrations and benchmarks run anywhere, with chances that are known exactly. They say nothing about
how any model behaves; their identities begin with "scripted:".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from actors.scripted_actor import ScriptedActor
from actors.scripted_errors import FLAT, PERFECT, Difficulty, ErrorKind, ErrorRates, chance
from actors.scripted_options import UNFOUNDED
from actors.scripted_user import ScriptedUser
from rollouts.episode import Approve, Draft, Revise, Task, Usage, Verdict
from rollouts.identity import action_key
from rollouts.protocols import Cast, Critic, Judgement, NoCritic, Question

__all__ = [
    "FLAT",
    "PERFECT",
    "CriticRates",
    "Difficulty",
    "ErrorKind",
    "ErrorRates",
    "ScriptedActor",
    "ScriptedCasting",
    "ScriptedCritic",
    "ScriptedUser",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CriticRates:
    """How good a scripted critic is. ValueError for what is no probability."""

    hit_rate: float = 0.8
    # chance that a wrong draft is sent back
    false_alarm_rate: float = 0.1
    # chance that a right one is

    def __post_init__(self) -> None:
        for name, rate in (("hit_rate", self.hit_rate), ("false_alarm_rate", self.false_alarm_rate)):
            if not 0 <= rate <= 1:
                raise ValueError(f"{name} must be a probability in [0, 1], got {rate}")


class ScriptedCritic:
    """Implements `rollouts.protocols.Critic` for the questions of one task.

    A draft is wrong if it is not what the gold plan does next; an objection to a wrong draft says what that is.
    """

    def __init__(self, task: Task, *, rates: CriticRates) -> None:
        self._rates = rates
        self._model = ScriptedActor(task, errors=PERFECT, difficulty=FLAT, seed=0)

    @property
    def identity(self) -> str:
        return f"scripted:critic/hit={self._rates.hit_rate}/false_alarm={self._rates.false_alarm_rate}"

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [Judgement(verdict=self._verdict(question), usage=Usage()) for question in questions]

    def _verdict(self, question: Question) -> Verdict:
        right = self._model.right_draft(question.conversation, question.briefing)
        drawn = chance(question.seed, "critic")
        if action_key(question.draft) == action_key(right):
            unfounded = drawn < self._rates.false_alarm_rate
            return Revise(feedback=f"{UNFOUNDED} Please think of another.") if unfounded else Approve()
        return Revise(feedback=_objection(right)) if drawn < self._rates.hit_rate else Approve()


def _objection(right: Draft) -> str:
    if not right.tool_calls:
        return f"This is not the next step. Say this instead: {right.text}"
    call = right.tool_calls[0]
    return f"This is not the next step. Call {call.name} with {dict(call.arguments)} instead."


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCasting:
    """Implements `rollouts.protocols.Casting`. Picklable, as workers get it."""

    errors: ErrorRates
    difficulty: Difficulty
    seed: int
    # decides the tasks' difficulty; the chances within an episode come from the seeds that `act` is given
    critic: Critic | CriticRates = field(default_factory=NoCritic)
    # rates: every task gets a scripted critic of its own

    def cast(self, task: Task) -> Cast:
        actor = ScriptedActor(task, errors=self.errors, difficulty=self.difficulty, seed=self.seed)
        rates = self.critic
        critic = ScriptedCritic(task, rates=rates) if isinstance(rates, CriticRates) else rates
        return Cast(actor=actor, user=ScriptedUser(task), critic=critic)

    async def close(self) -> None:
        """Nothing is held open."""
