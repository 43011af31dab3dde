"""Draft → verdict → revision: the critic reviews an action before it takes effect, inside the same episode.

The environment and the user see only what this module returns. Asymmetric actor-critic runtime after arXiv 2604.00304 (abstract):
a fixed actor, a critic that intervenes in the same trajectory, no retries. What the paper leaves unsaid is a setting here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from rollouts.episode import Approve, Briefing, Conversation, Draft, Review, Revise, StepKind
from rollouts.ledger import Turn
from rollouts.protocols import Cast, Critic, Judgement, Policy, Question

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


async def _act(
    actor: Policy, conversation: Conversation, briefing: Briefing, feedback: Sequence[str], seed: int
) -> Draft:
    return await actor.act(conversation, briefing, seed=seed, feedback=feedback)


async def _judge(critic: Critic, conversation: Conversation, briefing: Briefing, draft: Draft, seed: int) -> Judgement:
    question = Question(conversation=conversation, briefing=briefing, draft=draft, seed=seed)
    [judgement] = await critic.judge([question])
    return judgement


async def propose(
    cast: Cast,
    conversation: Conversation,
    briefing: Briefing,
    *,
    supervision: Supervision,
    turn: Turn,
    feedback: Sequence[str] = (),
) -> Accepted:
    """Ask the actor until the critic approves or the revisions are spent.

    `feedback` is what was said of earlier drafts. A verdict that could not be parsed lets the draft pass and is recorded.
    """
    reviews: list[Review] = []
    said = tuple(feedback)
    for attempt in range(supervision.max_revisions + 1):
        draft = await turn.ask("actor", attempt, partial(_act, cast.actor, conversation, briefing, said))
        if not in_scope(draft, briefing, review=supervision.review):
            return Accepted(draft=draft, reviews=tuple(reviews))
        judgement = await turn.ask("critic", attempt, partial(_judge, cast.critic, conversation, briefing, draft))
        reviews.append(Review(draft=draft, verdict=judgement.verdict, score=judgement.score, usage=judgement.usage))
        match judgement.verdict:
            case Revise(feedback=objection):
                said = (*said, objection)
            case Approve() | None:
                return Accepted(draft=draft, reviews=tuple(reviews))
    chosen = reviews[-1 if supervision.on_exhausted == "last_draft" else 0].draft
    return Accepted(draft=chosen, reviews=tuple(reviews))
