"""Travel planning as pure functions over an immutable state: a fork is a reference.

The actor talks, and calls `answer`. The actor's message reaches the world by the user's side, which `hear`s it; the rules
then ask for what they need, a model's reply or a draw, and the user's side gives it (`reply`, `draw`) until they tell what
the user, or the database, says:

    hear → {"ask": …} → reply → {"draw": …} → draw → {"ask": …} → reply → {"say": …, "reward": …, "elicited": …}

with as many questions as the message takes (none to three). So the conversation records every question, every answer and
each step's shaped reward (upstream's: 0.2 for a search that is right or a preference that was asked for), out of the actor's
sight. What a recommendation scores is a part of the return instead.

The return is the mean over the trip's aspects of the recommendation's score: 1 for the best option, 0.8 for another that
meets all wishes, 0 otherwise and for an aspect without one. Upstream's eval.py counts the 1.0 and the 0.8 of an episode, and
reports the largest and the mean of its step rewards, shaping included.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, assert_never
from weakref import WeakValueDictionary

from actors.environments.userbench.briefing import ANSWER, SEARCH, Refusal, briefing, index_argument, text_argument
from actors.environments.userbench.rules import Answer, Done, Draw, ModelCall, Prepared, Rules
from actors.environments.userbench.scenarios import Scenarios
from actors.environments.userbench.situation import ASPECT_OF_INITIAL, Situation, packed, unpacked
from rollouts.episode import Briefing, Conversation, JsonValue, Reward, Side, StopReason, Task, ToolCall
from rollouts.errors import DataError, UsageError
from rollouts.identity import canonical_json, digest
from rollouts.protocols import Provenance, Transition

SOURCE = "SalesforceAIResearch/UserBench"
_SPOKEN = json.dumps({"response": ""})
# a reply that upstream takes for what the user says


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message of the actor's that is being answered."""

    action: str
    # upstream's form of it
    answers: tuple[Answer, ...] = ()
    # to what the rules have asked so far
    options: int = 0
    # of the draw they ask for now; 0: they ask for a model's reply


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TravelState:
    task: Task
    task_key: bytes
    # 16 bytes: identity of the task and its scenario
    prepared: Prepared
    situation: Situation
    turn: Turn | None
    # None: it is the actor's


class TravelEnvironment:
    """Implements `rollouts.protocols.Environment`."""

    def __init__(self, *, domain: str, package: Path, scenarios: Scenarios) -> None:
        self._domain = domain
        self._package = package
        self._scenarios = scenarios
        self._prepared: WeakValueDictionary[bytes, Prepared] = WeakValueDictionary()
        # as long as a state of the task lives

    @cached_property
    def provenance(self) -> Provenance:
        identity = self._scenarios.identity
        return Provenance(source=SOURCE, version=identity.version, data_hash=identity.data_hash)

    # -- tasks --------------------------------------------------------------------------------------------------------

    def tasks(self, split: str) -> Sequence[Task]:
        """Of "train", "test", "T-22" and its like (both), or "T-22/train", "T-22/test" and their like."""
        return self._scenarios.tasks(split)

    def briefing(self, task: Task) -> Briefing:
        return briefing(task.data, self._prepare(task, _task_key(task)).preferences)

    # -- play ---------------------------------------------------------------------------------------------------------

    def initial(self, task: Task) -> TravelState:
        """UsageError for a task that cannot be played or rewarded here."""
        if task.domain != self._domain:
            raise UsageError(f"task {task.task_id!r} is of domain {task.domain!r}, this is {self._domain!r}")
        if problem := _unplayable(task.data):
            raise UsageError(f"task {task.task_id!r} cannot be rewarded: {problem}; leave it out")
        key = _task_key(task)
        prepared = self._prepare(task, key)
        return TravelState(task=task, task_key=key, prepared=prepared, situation=prepared.start, turn=None)

    def apply(self, state: TravelState, call: ToolCall, *, side: Side = "actor") -> Transition[TravelState]:
        try:
            return self._answered(state, call) if side == "actor" else self._heard(state, call)
        except Refusal as refusal:
            return Transition(state=state, content=f"Error: {refusal}", is_error=True)

    def _answered(self, state: TravelState, call: ToolCall) -> Transition[TravelState]:
        if call.name != ANSWER.name:
            raise Refusal(f"there is no tool {call.name[:64]!r}; there is {ANSWER.name!r}")
        if state.turn is not None:
            raise Refusal("the user has not answered yet")
        action = f"[answer] {text_argument(call, 'option_id')}"
        done = self._rules.run(state.prepared, state.situation, action, ())
        assert isinstance(done, Done), "a recommendation asks nothing"
        if done.situation == state.situation:
            return Transition(state=state, content=done.text, is_error=True)
        after = replace(state, situation=done.situation)
        return Transition(state=after, content=done.text, stop=StopReason.AGENT_STOP if done.ended else None)

    def _heard(self, state: TravelState, call: ToolCall) -> Transition[TravelState]:
        match call.name, state.turn:
            case "hear", None:
                return self._go_on(state, Turn(action=_action(text_argument(call, "message"))))
            case "reply", Turn(options=0) as turn:
                answer: Answer = text_argument(call, "text")
            case "draw", Turn(options=options) as turn if options:
                answer = index_argument(call, "index", below=options)
            case _:
                raise Refusal(f"{call.name[:64]!r} is not what is asked for now")
        return self._go_on(state, replace(turn, answers=(*turn.answers, answer)))

    def _go_on(self, state: TravelState, turn: Turn) -> Transition[TravelState]:
        """The rules run as far as the answers go."""
        outcome = self._rules.run(state.prepared, state.situation, turn.action, turn.answers)
        content: Mapping[str, JsonValue]
        match outcome:
            case ModelCall():
                kind, about = self._asked(state, turn)
                content = {"ask": kind, "preferences": [*about], "system": outcome.system, "user": outcome.user}
                after = replace(state, turn=replace(turn, options=0))
            case Draw(options=options):
                content = {"draw": options}
                after = replace(state, turn=replace(turn, options=options))
            case Done():
                content = {"say": outcome.text, "reward": outcome.reward, "elicited": [*outcome.elicited]}
                after = replace(state, situation=outcome.situation, turn=None)
            case _:
                assert_never(outcome)
        return Transition(state=after, content=json.dumps(content))

    def _asked(self, state: TravelState, turn: Turn) -> tuple[str, tuple[str, ...]]:
        """What a model is asked for, and the preferences it may find in the message, or has to tell."""
        if turn.action.startswith(SEARCH):
            return "judge_search", ()
        if not turn.answers:
            return "judge_message", state.situation.remaining
        done = self._rules.run(state.prepared, state.situation, turn.action, (*turn.answers, _SPOKEN))
        assert isinstance(done, Done), "upstream asks a model at most twice"
        return "speak", done.elicited

    def user_stop(self, text: str) -> StopReason | None:
        """Never: the user stays until every aspect has its recommendation."""
        return None

    def reward(self, state: TravelState, conversation: Conversation, stop: StopReason) -> Reward:
        """A part for each aspect that has its recommendation; what was recommended counts at the turn limit too, as upstream.

        ValueError for BUDGET: that return is unknown, not 0.
        """
        if stop is StopReason.BUDGET:
            raise ValueError("an episode that ran out of budget has no return; record it without a reward")
        basis = tuple(str(aspect) for aspect in state.prepared.task["dimensions"])
        parts = {aspect: score for aspect, score in state.situation.scores if aspect in basis}
        return Reward(value=sum(parts.values()) / len(basis), basis=basis, parts=parts)

    # -- identity and storage -----------------------------------------------------------------------------------------

    def key(self, state: TravelState) -> bytes:
        return digest(state.task_key, canonical_json(_standing(state)).encode())

    def dump(self, state: TravelState) -> bytes:
        """The situation as JSON; the task by its id, or whole where it is not one of upstream's."""
        task: JsonValue | dict[str, Any] = state.task.task_id
        if self._scenarios.find(state.task.task_id) != state.task:
            task = {"task_id": state.task.task_id, "split": state.task.split, "data": state.task.data}
        stored = {"scenarios": self.provenance.data_hash, "task": task, **_standing(state)}
        return json.dumps(stored, default=dict).encode()

    def load(self, data: bytes) -> TravelState:
        """DataError when `data` is not a state over these scenarios."""
        try:
            stored = json.loads(data)
            if stored["scenarios"] != self.provenance.data_hash:
                raise ValueError(
                    f"it is over scenarios {stored['scenarios']!r}, here are {self.provenance.data_hash!r}"
                )
            situation = unpacked(stored["situation"])
            turn = stored["turn"] and Turn(**{**stored["turn"], "answers": tuple(stored["turn"]["answers"])})
            task = self._stored_task(stored["task"])
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise DataError(f"not a state of userbench {self._domain}: {error!r}; it must come from `dump`") from error
        return replace(self.initial(task), situation=situation, turn=turn)

    def _stored_task(self, stored: Any) -> Task:
        if not isinstance(stored, str):
            return Task(domain=self._domain, **stored)
        task = self._scenarios.find(stored)
        if task is None:
            raise LookupError(f"no task {stored!r}")
        return task

    # -- what is loaded once ------------------------------------------------------------------------------------------

    @cached_property
    def _rules(self) -> Rules:
        return Rules(self._package)

    def _prepare(self, task: Task, key: bytes) -> Prepared:
        found = self._prepared.get(key)
        if found is None:
            found = self._prepared[key] = self._rules.prepare(task.task_id, task.data)
        return found


def _task_key(task: Task) -> bytes:
    return digest(task.domain.encode(), task.task_id.encode(), canonical_json(task.data).encode())


def _standing(state: TravelState) -> dict[str, Any]:
    turn = state.turn
    asked = turn and {"action": turn.action, "answers": turn.answers, "options": turn.options}
    return {"situation": packed(state.situation), "turn": asked}


def _action(message: str) -> str:
    """A message in upstream's form: for the database when it says so, else for the user."""
    text = message.strip()
    return text if text.startswith(SEARCH) else f"[action] {text}"


def _unplayable(record: Mapping[str, Any]) -> str:
    """Why recommendations could not be scored by upstream's rules; "" when they can."""
    aspects = record["dimensions"]
    problems = [problem for aspect in aspects if (problem := _unscorable(aspect, record.get(aspect)))]
    return problems[0] if problems else "" if aspects else "it has no aspects"


def _unscorable(aspect: str, described: Any) -> str:
    if aspect not in ASPECT_OF_INITIAL.values():
        return f"{aspect!r} is no aspect of a trip; the aspects are {', '.join(ASPECT_OF_INITIAL.values())}"
    if not isinstance(described, Mapping):
        return f"it says nothing of its {aspect}"
    best, correct = described.get("best_id"), described.get("correct_ids")
    if not isinstance(correct, list) or best not in correct or not isinstance(best, str):
        return f"`best_id` of its {aspect} must be one of `correct_ids`"
    if strangers := [name for name in correct if ASPECT_OF_INITIAL.get(str(name)[:1]) != aspect]:
        return f"{strangers[0]!r} is no id of its {aspect}"
    return ""
