"""Draft → verdict → revision: the critic reviews an action before it takes effect, inside the same episode.

The environment and the user see only what this module returns. Asymmetric actor-critic runtime after arXiv 2604.00304 (abstract):
a fixed actor, a critic that intervenes in the same trajectory, no retries. What the paper leaves unsaid is a setting here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollouts.episode import Approve, Briefing, Conversation, Draft, Review, Revise, StepKind
from rollouts.meter import SpendCounter
from rollouts.protocols import Cast, Question

ReviewScope: TypeAlias = Literal["none", "all", "tool_calls", "writes", "messages"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    review: ReviewScope = "none"
    # which drafts the critic sees; "none" plays without a critic
    max_revisions: int = 1
    # how often the actor is asked again for one action
    on_exhausted: Literal["last_draft", "first_draft"] = "last_draft"
    # what takes effect when the critic never approved


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    draft: Draft
    reviews: tuple[Review, ...]


def step_kind(draft: Draft, briefing: Briefing) -> StepKind:
    """What an action does: the most consequential kind among its calls; an unknown tool is "other"."""
    if not draft.tool_calls:
        return "message"
    kinds = {tool.name: tool.kind for tool in briefing.tools}
    called = {kinds.get(call.name, "other") for call in draft.tool_calls}
    return next(kind for kind in ("write", "transfer", "other", "read") if kind in called)


def in_scope(draft: Draft, briefing: Briefing, *, review: ReviewScope) -> bool:
    kind = step_kind(draft, briefing)
    match review:
        case "none":
            return False
        case "all":
            return True
        case "tool_calls":
            return kind != "message"
        case "messages":
            return kind == "message"
        case "writes":
            return kind in ("write", "transfer")


async def propose(
    cast: Cast,
    conversation: Conversation,
    briefing: Briefing,
    *,
    supervision: Supervision,
    seed_for: Callable[[str, int], int],
    spending: SpendCounter,
) -> Accepted:
    """Ask the actor until the critic approves or the revisions are spent.

    `seed_for(role, attempt)` gives the seed of each call. A verdict that could not be parsed lets the draft pass and is recorded.
    """
    reviews: list[Review] = []
    feedback: list[str] = []
    for attempt in range(supervision.max_revisions + 1):
        draft = await cast.actor.act(conversation, briefing, seed=seed_for("actor", attempt), feedback=tuple(feedback))
        spending.add("actor", draft.usage)
        if not in_scope(draft, briefing, review=supervision.review):
            return Accepted(draft=draft, reviews=tuple(reviews))
        question = Question(conversation=conversation, briefing=briefing, draft=draft, seed=seed_for("critic", attempt))
        [judgement] = await cast.critic.judge([question])
        spending.add("critic", judgement.usage)
        reviews.append(Review(draft=draft, verdict=judgement.verdict, usage=judgement.usage))
        match judgement.verdict:
            case Revise(feedback=said):
                feedback.append(said)
            case Approve() | None:
                return Accepted(draft=draft, reviews=tuple(reviews))
    chosen = reviews[-1 if supervision.on_exhausted == "last_draft" else 0].draft
    return Accepted(draft=chosen, reviews=tuple(reviews))
