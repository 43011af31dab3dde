"""The return of a trajectory, by the task's own reward basis (upstream: tau2-bench, src/tau2/evaluator/evaluator*.py).

- an episode that was stopped from outside scores 0 on every part;
- DB: the state's differences from the base are those of the gold sequence;
- COMMUNICATE: each piece of information stands in one message of the actor's, case and commas aside;
- the return is the product of the parts. A part of the basis that nothing here can judge is named, and never passed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rollouts.episode import AssistantMessage, Conversation, JsonValue, Reward, StopReason, Task, ToolCall
from rollouts.errors import UsageError

JUDGED = ("DB", "COMMUNICATE")
UNSCORED_TOOLS = ("calculate", "transfer_to_human_agents")
# left out of the gold sequence, as in inspect_evals/tau2/common/scorer.py; they write nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    basis: tuple[str, ...]
    not_evaluated: tuple[str, ...]
    gold: tuple[ToolCall, ...] | None
    # None: the task says nothing of the database, and every state passes
    communicate: tuple[str, ...]
    # lower-cased


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
    gold = [action for action in read.actions or () if action.name not in UNSCORED_TOOLS]
    return Criteria(
        basis=basis,
        not_evaluated=tuple(dict.fromkeys(part for part in declared if part not in JUDGED)),
        gold=None if read.actions is None else tuple(_call(action) for action in gold),
        communicate=tuple(info.lower() for info in read.communicate_info or ()),
    )


def _call(action: Any) -> ToolCall:
    arguments: dict[str, JsonValue] = action.arguments
    return ToolCall(call_id=action.action_id, name=action.name, arguments=arguments)


def score(criteria: Criteria, *, db_matches: bool, conversation: Conversation, stop: StopReason) -> Reward:
    passed = {
        "DB": stop.terminated and db_matches,
        "COMMUNICATE": stop.terminated and communicated(criteria.communicate, conversation),
    }
    parts = {part: float(passed[part]) for part in criteria.basis if part in passed}
    return Reward(
        value=math.prod(parts.values()), basis=criteria.basis, parts=parts, not_evaluated=criteria.not_evaluated
    )


def communicated(infos: Sequence[str], conversation: Conversation) -> bool:
    """Whether each of the lower-cased `infos` stands in one of the actor's messages."""
    if not infos:
        return True
    said = [message.text.lower().replace(",", "") for message in conversation if isinstance(message, AssistantMessage)]
    return all(any(info in text for text in said) for info in infos)
