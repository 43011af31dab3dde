"""Best of n: of n drafts of one actor, the one that its critic likes best. A baseline for what a critic is worth without revisions.

It is an actor itself, so it plays where any actor does; what the drafts and their judgements cost is counted as one turn of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from actors.paid import UNPAID, all_paid, paid_before
from rollouts.episode import Approve, Briefing, Conversation, Draft, Revise
from rollouts.errors import UsageError
from rollouts.identity import action_key
from rollouts.protocols import Critic, Judgement, Policy, Question
from rollouts.seeds import derive_seed


def best_of_n_identity(actor: str, critic: str, *, n: int) -> str:
    """The identities of the two and n decide the actions: the rows name the actor by it."""
    return f"best-of-{n}({actor}; by {critic})"


class BestOfN:
    """Implements `rollouts.protocols.Policy`. The best of one is the actor itself."""

    def __init__(self, actor: Policy, critic: Critic, *, n: int) -> None:
        if n < 1:
            raise UsageError(f"best_of must be at least 1, got {n}; 1 plays the actor's only draft")
        self._actor = actor
        self._critic = critic
        self._n = n

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        """The draft with the best judgement, the first of equals. RolloutError when one draft or the judgements cannot be had."""
        drafts = await all_paid(
            self._actor.act(
                conversation, briefing, seed=derive_seed(seed, "draft", index) if index else seed, feedback=feedback
            )
            for index in range(self._n)
        )
        usage = sum((draft.usage for draft in drafts), start=UNPAID)
        distinct = _distinct(drafts)
        if len(distinct) == 1:
            return replace(distinct[0], usage=usage)
        with paid_before(usage):
            judgements = await self._critic.judge(
                [
                    Question(
                        conversation=conversation, briefing=briefing, draft=draft, seed=derive_seed(seed, "judge", i)
                    )
                    for i, draft in enumerate(distinct)
                ]
            )
        best = max(range(len(distinct)), key=lambda index: merit(judgements[index]))
        return replace(distinct[best], usage=sum((judgement.usage for judgement in judgements), start=usage))


def _distinct(drafts: Sequence[Draft]) -> list[Draft]:
    """The first draft of each action, so that an action is judged once."""
    first: dict[bytes, Draft] = {}
    for draft in drafts:
        first.setdefault(action_key(draft), draft)
    return list(first.values())


def merit(judgement: Judgement) -> float:
    """The score where there is one; otherwise an approval is above a revision, and both above no verdict."""
    if judgement.score is not None:
        return judgement.score
    match judgement.verdict:
        case Approve():
            return 1.0
        case Revise():
            return 0.0
        case None:
            return -1.0
