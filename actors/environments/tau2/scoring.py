"""The return of a trajectory, by the task's own reward basis (upstream: tau2-bench, src/tau2/evaluator/evaluator*.py).

- an episode that was stopped from outside scores 0 on every part;
- DB: the state's differences from the base are those of the gold sequence;
- ENV_ASSERTION: each of the task's assertions about the state holds;
- ACTION: each action of the gold sequence was called by its side, in any order and whatever else was called;
- COMMUNICATE: each piece of information stands in one message of the actor's, case and commas aside;
- the return is the product of the parts. A part of the basis that nothing here can judge is named, and never passed;
- assertions in natural language are handed on, for a judge, where the world ended the episode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.environments.tau2.toolbox import SIDES
from rollouts.episode import AssistantMessage, Conversation, Reward, Side, StopReason, Task, ToolCall, UserMessage
from rollouts.errors import UsageError

JUDGED = ("DB", "ENV_ASSERTION", "ACTION", "COMMUNICATE")
UNSCORED_TOOLS = ("calculate", "transfer_to_human_agents")
# left out of the gold sequence, as in inspect_evals/tau2/common/scorer.py; they write nothing

IsAction = Callable[[Any, Side, ToolCall], bool]
# the package's rule: whether a side's call is an action


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldAction:
    side: Side
    call: ToolCall
    model: Any
    # as the package models it


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    basis: tuple[str, ...]
    not_evaluated: tuple[str, ...]
    actions: tuple[GoldAction, ...] | None
    # None: the task says nothing of the database, and every state passes
    facts: tuple[Any, ...]
    # assertions about the state, as the package models them
    communicate: tuple[str, ...]
    # lower-cased
    assertions: tuple[str, ...]
    # in natural language


def read_criteria(task: Task, model: Any) -> Criteria:
    """`model` is the package's, so that its defaults hold. UsageError for a task whose return could not be known."""
    try:
        read = model.model_validate(task.data.get("evaluation_criteria"))
    except ValueError as error:
        raise UsageError(f"task {task.task_id!r}: `evaluation_criteria` is not as tau2 defines it: {error}") from error
    basis = tuple(part.value for part in read.reward_basis)
    if not set(basis) & set(JUDGED):
        raise UsageError(
            f"task {task.task_id!r} is rewarded for {list(basis)}; of these, only {list(JUDGED)} can be judged here"
        )
    declared = basis + (("NL_ASSERTION",) if read.nl_assertions else ())
    return Criteria(
        basis=basis,
        not_evaluated=tuple(dict.fromkeys(part for part in declared if part not in JUDGED)),
        actions=None if read.actions is None else tuple(_gold_action(action) for action in read.actions),
        facts=tuple(read.env_assertions or ()),
        communicate=tuple(info.lower() for info in read.communicate_info or ()),
        assertions=tuple(read.nl_assertions or ()),
    )


def _gold_action(action: Any) -> GoldAction:
    call = ToolCall(call_id=action.action_id, name=action.name, arguments=action.arguments)
    return GoldAction(side=SIDES[action.requestor], call=call, model=action)


def score(
    criteria: Criteria, state: Mapping[str, bool], *, conversation: Conversation, stop: StopReason, is_action: IsAction
) -> Reward:
    """`state`: which of the parts that the state decides have passed."""
    passed = dict(state)
    if "ACTION" in criteria.basis:
        passed["ACTION"] = performed(criteria.actions or (), conversation, is_action=is_action)
    if "COMMUNICATE" in criteria.basis:
        passed["COMMUNICATE"] = communicated(criteria.communicate, conversation)
    parts = {part: float(stop.terminated and passed[part]) for part in criteria.basis if part in passed}
    return Reward(
        value=math.prod(parts.values()),
        basis=criteria.basis,
        parts=parts,
        not_evaluated=criteria.not_evaluated,
        assertions=criteria.assertions if stop.terminated else (),
    )


def performed(actions: Sequence[GoldAction], conversation: Conversation, *, is_action: IsAction) -> bool:
    """Whether each action is among the calls. One call may be several actions, as it may upstream."""
    called = list(_calls(conversation)) if actions else []
    return all(any(is_action(action.model, side, call) for side, call in called) for action in actions)


def _calls(conversation: Conversation) -> Iterator[tuple[Side, ToolCall]]:
    for message in conversation:
        if isinstance(message, AssistantMessage):
            yield from (("actor", call) for call in message.tool_calls)
        elif isinstance(message, UserMessage):
            yield from (("user", call) for call in message.tool_calls)


def communicated(infos: Sequence[str], conversation: Conversation) -> bool:
    """Whether each of the lower-cased `infos` stands in one of the actor's messages."""
    if not infos:
        return True
    said = [message.text.lower().replace(",", "") for message in conversation if isinstance(message, AssistantMessage)]
    return all(any(info in text for text in said) for info in infos)
