"""What is known, or assumed, of how a task is played. Counts and shares only: no text, no model, no environment.

A forecast has two halves. How large a tree grows depends on what plays are like (`TaskProfile`, `Chances`); what it costs depends
on what one turn takes (`CallRates`, and `rollouts.forecasting.predict.RoleFigures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, TypeAlias

from rollouts.episode import StepKind

Role: TypeAlias = Literal["actor", "user", "critic", "judge"]
ROLES: tuple[Role, ...] = ("actor", "user", "critic", "judge")

Turn: TypeAlias = Literal["act", "review", "draw", "answer", "open", "question", "rule"]
# act: the actor's own turn at a step; review: the critic's part in it; draw: the actor asked for an alternative, or to revise by a
# critique; answer: the user's reply to a message; open: its first word; question: the critic asked at a fork; rule: the judge asked

ASKED: Mapping[Turn, Role] = MappingProxyType(
    {
        "act": "actor",
        "draw": "actor",
        "review": "critic",
        "question": "critic",
        "answer": "user",
        "open": "user",
        "rule": "judge",
    }
)
# who is called in a turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One trunk, as far as it determines costs."""

    kinds: tuple[StepKind, ...]
    # of its steps, in order; at least one
    solved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProfile:
    """How one task's trunks go. At least one script."""

    scripts: tuple[Script, ...]

    @property
    def value(self) -> float:
        """Expected return of a trunk: the mean of the posterior under Jeffreys' prior."""
        return (sum(script.solved for script in self.scripts) + 0.5) / (len(self.scripts) + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """All in [0, 1]."""

    same_draft: Mapping[StepKind, float]
    # that two drafts of the actor in one state are the same action, by the kind of the step
    same_answer: float
    # that the user answers the same message in the same state with the same words
    objection: float
    # that the critic asks for a revision


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRates:
    """Mean LLM calls of a turn; absent: none."""

    per_turn: Mapping[Turn, float] = field(default_factory=dict)

    def __getitem__(self, turn: Turn) -> float:
        return self.per_turn.get(turn, 0.0)
