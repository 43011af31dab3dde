"""The vocabulary of generated tasks: what a customer wants, and what an agent that follows the policy does about it.

A goal's calls are the gold of its part of a task. A goal without writes is a question, a request that the policy refuses, or one
that it hands to a human.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from rollouts.episode import JsonValue, Task, ToolCall
from rollouts.identity import canonical_json

C = TypeVar("C")

Record: TypeAlias = Mapping[str, Any]
# one row of a domain's database, as JSON
TEMPLATE = "template"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """One thing a customer wants."""

    kind: str
    # its maker's word for it: "return", "cancel refused", …
    subjects: frozenset[str]
    # keys of the records that it concerns; the goals of one task share none
    request: str
    # what the customer asks, said to them: "You want to …"
    facts: tuple[str, ...]
    # what a rewording of the request must keep to the letter
    reads: tuple[ToolCall, ...] = ()
    writes: tuple[ToolCall, ...] = ()
    info: tuple[str, ...] = ()
    # texts that some message of the agent's must hold
    known: tuple[str, ...] = ()
    # what else the customer knows
    unknown: tuple[str, ...] = ()
    # what they do not
    conduct: tuple[str, ...] = ()
    # how they answer what the agent may say
    refused: str = ""
    # what must not happen, as a sentence; empty where nothing is refused
    handover: str = ""
    # summary for the human agent who takes over; empty where the agent settles the matter

    @property
    def essence(self) -> str:
        """Equal for goals that want the same done, however they put it."""
        wanted = [f"{call.name}{canonical_json(call.arguments)}" for call in self.writes] or [self.kind]
        return "\n".join([*sorted(wanted), *sorted(self.info), *([] if self.writes else sorted(self.subjects))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a customer says who they are."""

    known: str
    unknown: tuple[str, ...]
    reads: tuple[ToolCall, ...]
    # how the agent finds them


Maker: TypeAlias = Callable[[C, random.Random], "Goal | None"]
# one goal of this customer's, drawn; None where what was drawn cannot be


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop(Generic[C]):
    """One domain: who calls, and what they may want."""

    domain: str
    customers: Mapping[str, C]
    # user id → customer, in the database's order
    profiles: Mapping[str, Record]
    # user id → the user's record
    owners: Mapping[str, str]
    # key of an order or reservation → user id
    opening: Callable[[C, random.Random], Opening]
    makers: Sequence[tuple[int, Maker[C]]]
    # with weights: how often each is asked for a goal

    def opening_of(self, customer: str, rng: random.Random) -> Opening:
        return self.opening(self.customers[customer], rng)

    def goal_of(self, customer: str, rng: random.Random) -> Goal | None:
        weights, makers = zip(*self.makers, strict=True)
        maker: Maker[C] = rng.choices(makers, weights)[0]
        return maker(self.customers[customer], rng)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A task, and what it was made of."""

    customer: str
    # user id
    task: Task
    goals: tuple[Goal, ...]
    gold: tuple[ToolCall, ...]
    # the task's gold actions, in order
    wording: str = TEMPLATE
    # or the identity of the model that worded the request

    @property
    def writes(self) -> tuple[ToolCall, ...]:
        return tuple(call for goal in self.goals for call in goal.writes)

    @property
    def info(self) -> tuple[str, ...]:
        return tuple(info for goal in self.goals for info in goal.info)

    @property
    def num_steps(self) -> int:
        """Actor steps of a play without mistakes, at most: three for a write, one for any other call, two to close."""
        return len(self.gold) + 2 * len(self.writes) + 2

    @property
    def subjects(self) -> frozenset[str]:
        return frozenset().union(*(goal.subjects for goal in self.goals))


def call(name: str, **arguments: JsonValue) -> ToolCall:
    return ToolCall(call_id="", name=name, arguments=arguments)
