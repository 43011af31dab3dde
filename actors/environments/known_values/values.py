"""Exact values of the known-values world, by dynamic programming over its courses.

The actor's distribution pi depends on the last line it was told, a function of the course c; the user's calls u after the actor's
words come with the chances of `KnownUser.reactions`. With c·m for the course after a move m:

    V(c)    = 1 if c is solved, 0 if it has ended otherwise
    V(c)    = Σ_a pi(a | line(c)) Q(c, a)
    Q(c, a) = V(c·a)                            a calls tools
    Q(c, a) = Σ_u chance(u | a) V(c·u)          a is said to the user

They are the values of a play without a critic and without a turn limit shorter than `Plan.longest_play`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache

from actors.environments.known_values.actor import KnownActor
from actors.environments.known_values.course import Course
from actors.environments.known_values.plan import Plan, plan_of
from actors.environments.known_values.tools import KnownState, apply_call
from actors.environments.known_values.user import KnownUser
from actors.environments.known_values.words import line
from rollouts.episode import AssistantMessage, Draft, Side, Step, Task, ToolCall, UserMessage
from rollouts.identity import canonical_json


class ExactValues:
    """The values of one task; what has been computed is kept for the next question."""

    def __init__(self, task: Task) -> None:
        self.plan: Plan = plan_of(task)
        self.start = KnownState(task=task, task_key=b"", plan=self.plan, course=Course(), choices="")
        self._actor = KnownActor(task)
        self._user = KnownUser(task)
        self._known: dict[Course, float] = {}

    def v(self, state: KnownState) -> float:
        """Expected return when it is the actor's turn. ValueError for a state of another task."""
        self._check(state)
        return self._value(state)

    def _value(self, state: KnownState) -> float:
        course = state.course
        if course.end:
            return float(course.end == "solved")
        if course not in self._known:
            outcomes = self._actor.after(line(course))
            self._known[course] = sum(chance * self._action_value(state, draft) for chance, draft in outcomes)
        return self._known[course]

    def q(self, state: KnownState, action: Draft) -> float:
        """Expected return when the actor's next action is this one. An action that the world refuses changes nothing.

        ValueError for a state of another task.
        """
        self._check(state)
        return self._action_value(state, action)

    def _action_value(self, state: KnownState, action: Draft) -> float:
        if action.tool_calls:
            return self._value(_moved(state, action.tool_calls, "actor"))
        reactions = self._user.reactions(action.text)
        return sum(chance * self._value(_moved(state, draft.tool_calls, "user")) for chance, draft in reactions)

    def drops(self, steps: Sequence[Step]) -> tuple[float, ...]:
        """V(s) − Q(s, a) for each step of a play from its beginning: above 0 where the action did worse than the actor does.

        What chance did afterwards is not in it. ValueError for a play that does not begin at step 0.
        """
        played = zip(self.states(steps), steps, strict=True)
        return tuple(self._value(state) - self._action_value(state, step.action) for state, step in played)

    def states(self, steps: Sequence[Step]) -> tuple[KnownState, ...]:
        """The state that each step of a play was taken in, for a branch with the steps before its fork put first.

        ValueError for a play that does not begin at step 0.
        """
        if steps and steps[0].index:
            raise ValueError(f"needed the steps of a play from step 0 on, got them from step {steps[0].index} on")
        states = [self.start]
        for step in steps[:-1]:
            states.append(_replayed(states[-1], step))
        return tuple(states[: len(steps)])

    def _check(self, state: KnownState) -> None:
        if state.plan is not self.plan and state.plan != self.plan:
            raise ValueError(f"the state is one of task {state.task.task_id!r}, these are the values of another plan")


def _moved(state: KnownState, calls: Sequence[ToolCall], side: Side) -> KnownState:
    """After the calls; what follows the end of the play is not carried out."""
    for call in calls:
        if state.course.end:
            break
        state = apply_call(state, call, side).state
    return state


def _replayed(state: KnownState, step: Step) -> KnownState:
    for message in step.added:
        match message:
            case AssistantMessage(tool_calls=calls):
                state = _moved(state, calls, "actor")
            case UserMessage(tool_calls=calls):
                state = _moved(state, calls, "user")
            case _:
                continue
    return state


@lru_cache(maxsize=512)
def _known(task_id: str, record: str) -> ExactValues:
    return ExactValues(Task(task_id=task_id, domain="", split="", data=json.loads(record)))


def exact_values(task: Task) -> ExactValues:
    """The task's values: the same object for the same task, so that what it has computed is not lost."""
    return _known(task.task_id, canonical_json(task.data))


def exact_v(task: Task, state: KnownState) -> float:
    """V(s) of the task's actor. ValueError for a state of another task."""
    return exact_values(task).v(state)


def exact_q(task: Task, state: KnownState, action: Draft) -> float:
    """Q(s, a) of the task's actor; ValueError for a state of another task."""
    return exact_values(task).q(state, action)


def value_drops(task: Task, steps: Sequence[Step]) -> tuple[float, ...]:
    """`ExactValues.drops` of the steps of a trunk."""
    return exact_values(task).drops(steps)


def first_error(task: Task, steps: Sequence[Step], *, delta: float) -> int | None:
    """The first step of a trunk whose action lost at least `delta` of value; None where none did."""
    return next((index for index, drop in enumerate(value_drops(task, steps)) if drop >= delta), None)
