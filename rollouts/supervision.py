"""Draft → verdict → revision: the critic reviews an action before it takes effect, inside the same episode.

The environment and the user see only the draft that is accepted. Asymmetric actor-critic runtime after arXiv 2604.00304
(abstract): a fixed actor, a critic that intervenes in the same trajectory, no retries. What the paper leaves unsaid is a setting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from rollouts.episode import Approve, Briefing, Conversation, Draft, Review, Revise, StepKind
from rollouts.errors import UsageError
from rollouts.ledger import Turn
from rollouts.protocols import Cast, Critic, Judgement, Policy, Question

ReviewScope: TypeAlias = Literal["none", "all", "tool_calls", "writes", "messages"]

OF_AN_EARLIER_TURN = "Of a draft of an earlier turn: "
# stands before an objection that stayed; the actor is told the others of this turn's drafts


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    review: ReviewScope = "none"
    # which drafts the critic sees; "none" plays without a critic
    max_revisions: int = 1
    # how often the actor is asked again for one action
    on_exhausted: Literal["last_draft", "first_draft"] = "last_draft"
    # what takes effect when the critic never approved
    feedback_persists: bool = False
    # the actor is reminded in all its later turns of what the critic objected to; otherwise a turn's objections end with it

    def __post_init__(self) -> None:
        if self.max_revisions < 0:
            raise UsageError(f"max_revisions must be 0 or more (0 only records verdicts), got {self.max_revisions}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    draft: Draft
    reviews: tuple[Review, ...]
    lasting: tuple[str, ...] = ()
    # objections of this turn that the actor's later turns are to be reminded of (`propose(earlier=…)`)


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


def reminders(earlier: Sequence[str]) -> tuple[str, ...]:
    """What lasts of earlier turns as the actor is told it: the beginning of its feedback."""
    return tuple(f"{OF_AN_EARLIER_TURN}{objection}" for objection in earlier)


async def propose(
    cast: Cast,
    conversation: Conversation,
    briefing: Briefing,
    *,
    supervision: Supervision,
    turn: Turn,
    earlier: Sequence[str] = (),
) -> Accepted:
    """Ask the actor until the critic approves or the revisions are spent.

    `earlier`: what lasts of this trajectory's earlier turns, oldest first. A verdict that could not be parsed lets the draft
    pass and is recorded.
    """
    told = reminders(earlier)
    reviews: list[Review] = []
    for attempt in range(supervision.max_revisions + 1):
        draft = await turn.ask("actor", attempt, partial(_act, cast.actor, conversation, briefing, told))
        if not in_scope(draft, briefing, review=supervision.review):
            return _accepted(draft, reviews, supervision)
        judgement = await turn.ask("critic", attempt, partial(_judge, cast.critic, conversation, briefing, draft))
        reviews.append(Review(draft=draft, verdict=judgement.verdict, score=judgement.score, usage=judgement.usage))
        match judgement.verdict:
            case Revise(feedback=objection):
                told = (*told, objection)
            case Approve() | None:
                return _accepted(draft, reviews, supervision)
    return _accepted(reviews[-1 if supervision.on_exhausted == "last_draft" else 0].draft, reviews, supervision)


def _accepted(draft: Draft, reviews: Sequence[Review], supervision: Supervision) -> Accepted:
    objections = tuple(review.verdict.feedback for review in reviews if isinstance(review.verdict, Revise))
    return Accepted(draft=draft, reviews=tuple(reviews), lasting=objections if supervision.feedback_persists else ())
