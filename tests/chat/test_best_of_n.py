"""Best of n: which draft is played, and what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.best_of_n import BestOfN, best_of_n_identity
from actors.chat_policy import ChatActor
from rollouts.episode import Approve, Briefing, Conversation, Draft, Revise, Usage, Verdict
from rollouts.errors import FailureKind, RolloutError, UsageError
from rollouts.protocols import Judgement, NoCritic, Question
from tests.chat.samples import BRIEFING, LOOKED_UP
from tests.chat.script import ONE, Script, times

REVISE = Revise(feedback="Ask first.")


@dataclass
class Jury:
    """Says of a draft what it was told to say, by the draft's text."""

    said: Mapping[str, tuple[Verdict | None, float | None]]
    asked: list[Question] = field(default_factory=list)

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        self.asked += questions
        found = [self.said[question.draft.text] for question in questions]
        return [Judgement(verdict=verdict, score=score, usage=ONE) for verdict, score in found]


class Broken:
    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        raise RolloutError("broken", kind=FailureKind.INFRASTRUCTURE, usage=ONE)


async def _played(jury: Jury, *drafts: str, model: Script | None = None) -> Draft:
    actor = ChatActor(model or Script(*drafts))
    return await BestOfN(actor, jury, n=len(drafts)).act(LOOKED_UP, BRIEFING, seed=7, feedback=("Be quick.",))


async def test_the_score_chooses_and_all_drafts_and_judgements_are_paid_for() -> None:
    jury = Jury({"a": (Approve(), 0.2), "b": (REVISE, 0.9), "c": (None, 0.3)})
    draft = await _played(jury, "a", "b", "c")
    assert (draft.text, draft.usage) == ("b", times(6))


async def test_without_scores_an_approval_is_above_a_revision_and_both_above_no_verdict() -> None:
    said: dict[str, tuple[Verdict | None, float | None]] = {
        "a": (None, None),
        "b": (REVISE, None),
        "c": (Approve(), None),
    }
    assert (await _played(Jury(said), "a", "b", "c")).text == "c"
    assert (await _played(Jury(said), "a", "b", "a")).text == "b"


@given(st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=2, max_size=5))
async def test_the_first_of_the_best_is_played(scores: list[float]) -> None:
    drafts = [f"draft {index}" for index in range(len(scores))]
    jury = Jury({draft: (Approve(), score) for draft, score in zip(drafts, scores, strict=True)})
    assert (await _played(jury, *drafts)).text == drafts[scores.index(max(scores))]


async def test_an_action_is_judged_once_however_often_it_was_drafted() -> None:
    jury = Jury({"a": (REVISE, 0.2), "b": (Approve(), 0.8)})
    draft = await _played(jury, "a", "b", "A ", "b")
    assert (draft.text, draft.usage, [question.draft.text for question in jury.asked]) == ("b", times(6), ["a", "b"])


async def test_drafts_that_are_all_the_same_take_no_judgement() -> None:
    jury = Jury({})
    draft = await _played(jury, "a", "a", "A")
    assert (draft.text, draft.usage, jury.asked) == ("a", times(3), [])


async def test_each_draft_has_its_own_seed_the_first_the_actors_and_all_hear_the_feedback() -> None:
    model = Script("a", "a", "a")
    await _played(Jury({}), "", "", "", model=model)
    seeds = [asked.seed for asked in model.asked]
    assert seeds[0] == 7
    assert len(set(seeds)) == 3
    assert all("Be quick." in str(asked.messages[-1]["content"]) for asked in model.asked)


async def test_each_judgement_has_its_own_seed_and_the_case_that_the_actor_sees() -> None:
    jury = Jury({"a": (Approve(), 0.2), "b": (Approve(), 0.8)})
    await _played(jury, "a", "b")
    assert len({question.seed for question in jury.asked}) == 2
    assert all(question.conversation is LOOKED_UP and question.briefing is BRIEFING for question in jury.asked)


async def test_the_best_of_one_is_the_actors_own() -> None:
    alone = await ChatActor(Script("a")).act(LOOKED_UP, BRIEFING, seed=7)
    assert await BestOfN(ChatActor(Script("a")), NoCritic(), n=1).act(LOOKED_UP, BRIEFING, seed=7) == alone


async def test_a_failure_carries_what_the_drafts_and_the_critic_used() -> None:
    with pytest.raises(RolloutError, match="broken") as caught:
        await BestOfN(ChatActor(Script("a", "b")), Broken(), n=2).act(LOOKED_UP, BRIEFING, seed=7)
    assert caught.value.usage == times(3)
    failing = Script("a", RolloutError("drafting broke", kind=FailureKind.INFRASTRUCTURE), "c")
    with pytest.raises(RolloutError, match="drafting broke") as caught:
        await _played(Jury({}), "", "", "", model=failing)
    assert caught.value.usage == times(2)


async def test_a_bug_among_the_drafts_is_a_bug_and_no_failure_of_an_endpoint() -> None:
    class Buggy:
        async def act(
            self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
        ) -> Draft:
            if seed == 7:
                raise RolloutError("broken", kind=FailureKind.INFRASTRUCTURE, fatal=True, usage=Usage())
            raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        await BestOfN(Buggy(), NoCritic(), n=2).act(LOOKED_UP, BRIEFING, seed=7)


def test_the_best_of_none_is_refused() -> None:
    with pytest.raises(UsageError, match="best_of must be at least 1, got 0"):
        BestOfN(ChatActor(Script()), NoCritic(), n=0)


def test_actor_critic_and_n_identify_it() -> None:
    assert best_of_n_identity("chat:a", "chat:b/prompt=score-1", n=4) == "best-of-4(chat:a; by chat:b/prompt=score-1)"
