"""Draft → verdict → revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollouts.episode import (
    Approve,
    AssistantMessage,
    Briefing,
    Conversation,
    Draft,
    Finished,
    Revise,
    Reward,
    Side,
    StopReason,
    ToolCall,
    Usage,
    Verdict,
)
from rollouts.errors import UsageError
from rollouts.meter import SpendCounter
from rollouts.play import Place
from rollouts.protocols import Judgement, Question, Transition
from rollouts.supervision import (
    OF_AN_EARLIER_TURN,
    Accepted,
    ReviewScope,
    Supervision,
    in_scope,
    propose,
    step_kind,
)
from tests.toy import SETTINGS, ToyActor, ToyEnvironment, ToyState, press, toy_player, toy_task

BRIEFING = ToyEnvironment().briefing(toy_task())


@dataclass
class _Strict:
    """Approves the right button only; `said` is what it answers otherwise."""

    said: Verdict | None

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [
            Judgement(verdict=self._verdict(question.draft), usage=Usage(prompt_tokens=5), score=0.25)
            for question in questions
        ]

    def _verdict(self, draft: Draft) -> Verdict | None:
        return Approve() if draft.tool_calls == press("right").tool_calls else self.said


async def _steps(actor: ToyActor, said: Verdict | None, supervision: Supervision):  # type: ignore[no-untyped-def]
    player = toy_player(actor, settings=replace(SETTINGS, supervision=supervision))
    player.cast = replace(player.cast, critic=_Strict(said))
    return (await player.trunk(Place(path="t0", user_path="t0"))).episode


async def test_a_revision_takes_effect_and_the_rejected_draft_is_seen_by_nobody() -> None:
    episode = await _steps(ToyActor(skill=0.0), Revise(feedback="the right one"), Supervision(review="writes"))
    assert isinstance(episode.outcome, Finished)
    assert episode.outcome.reward is not None
    assert episode.outcome.reward.value == 1.0
    messages = [message for step in episode.steps for message in step.added]
    pressed = [call for m in messages if isinstance(m, AssistantMessage) for call in m.tool_calls]
    assert [call.arguments["button"] for call in pressed] == ["right"] * 3
    assert [len(step.reviews) for step in episode.steps] == [2, 2, 2, 0]
    assert episode.spend.critic_calls == 6
    assert episode.spend.actor_calls == 3 * 2 + 1


@pytest.mark.parametrize(("on_exhausted", "index"), [("last_draft", -1), ("first_draft", 0)])
async def test_when_the_revisions_are_spent_the_setting_decides(on_exhausted: str, index: int) -> None:
    class Stubborn(ToyActor):
        async def act(self, *args: object, feedback: Sequence[str] = (), **kwargs: object) -> Draft:
            return press(f"wrong{len(feedback)}")

    supervision = Supervision(review="all", max_revisions=2, on_exhausted=on_exhausted)  # type: ignore[arg-type]
    player = toy_player(Stubborn(), settings=replace(SETTINGS, supervision=supervision, turn_limit=1))
    player.cast = replace(player.cast, critic=_Strict(Revise(feedback="no")))
    [step] = (await player.trunk(Place(path="t0", user_path="t0"))).episode.steps
    assert [review.draft.tool_calls[0].arguments["button"] for review in step.reviews] == ["wrong0", "wrong1", "wrong2"]
    assert step.action == step.reviews[index].draft


async def test_a_verdict_that_could_not_be_parsed_lets_the_draft_pass_and_is_recorded() -> None:
    episode = await _steps(ToyActor(skill=0.0), None, Supervision(review="writes", max_revisions=3))
    assert [len(step.reviews) for step in episode.steps[:3]] == [1, 1, 1]
    assert episode.steps[0].reviews[0].verdict is None


async def test_without_a_critic_nothing_is_reviewed_and_no_critic_call_is_counted() -> None:
    episode = await _steps(ToyActor(skill=0.0), Revise(feedback="no"), Supervision(review="none"))
    assert episode.spend.critic_calls == 0
    assert all(step.reviews == () for step in episode.steps)


async def test_a_verdicts_score_is_kept_with_it() -> None:
    episode = await _steps(ToyActor(skill=0.0), Revise(feedback="no"), Supervision(review="writes", max_revisions=0))
    assert {review.score for step in episode.steps for review in step.reviews} == {0.25}


# -- feedback that lasts ----------------------------------------------------------------------------------------------


@dataclass
class Listener:
    """An actor that keeps what it is told, and never does better."""

    heard: list[tuple[str, ...]] = field(default_factory=list)

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        self.heard.append(tuple(feedback))
        return press("wrong")


async def _proposed(actor: Listener, supervision: Supervision, earlier: Sequence[str]) -> Accepted:
    player = toy_player(ToyActor(), settings=replace(SETTINGS, supervision=supervision))
    return await propose(
        replace(player.cast, actor=actor, critic=_Strict(Revise(feedback="NOW"))),
        (),
        BRIEFING,
        supervision=supervision,
        turn=player.turn(Place(path="t0", user_path="t0"), 0, SpendCounter()),
        earlier=earlier,
    )


async def test_what_lasts_of_earlier_turns_is_told_before_and_apart_from_this_turns_objections() -> None:
    actor = Listener()
    accepted = await _proposed(actor, Supervision(review="all", max_revisions=2, feedback_persists=True), ["THEN"])
    reminder = f"{OF_AN_EARLIER_TURN}THEN"
    assert actor.heard == [(reminder,), (reminder, "NOW"), (reminder, "NOW", "NOW")]
    assert accepted.lasting == ("NOW",) * 3


async def test_objections_end_with_their_turn_unless_they_are_to_last() -> None:
    assert (await _proposed(Listener(), Supervision(review="all"), [])).lasting == ()


def test_fewer_than_no_revisions_are_refused() -> None:
    with pytest.raises(UsageError, match=r"max_revisions must be 0 or more .*, got -1"):
        Supervision(review="all", max_revisions=-1)


# -- who sees what ----------------------------------------------------------------------------------------------------


class Numbering:
    """An actor whose every draft has a number of its own; odd ones are messages, even ones presses."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        mark = f"draft-{len(self.drafts)}-"
        draft = Draft(text=mark, reasoning=f"why {mark}") if len(self.drafts) % 2 else press(mark)
        self.drafts.append(draft)
        return draft


@dataclass
class Moody:
    """A critic that says what is drawn for it, over and over; its feedback quotes the draft."""

    moods: Sequence[str]
    judged: list[Draft] = field(default_factory=list)

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [Judgement(verdict=self._verdict(question.draft), usage=Usage(), score=0.5) for question in questions]

    def _verdict(self, draft: Draft) -> Verdict | None:
        mood = self.moods[len(self.judged) % len(self.moods)]
        self.judged.append(draft)
        verdicts: dict[str, Verdict | None] = {"approve": Approve(), "revise": Revise(feedback=f"not {_mark(draft)}")}
        return verdicts.get(mood)


class Watching(ToyEnvironment):
    """A world, and a user in it, that keep everything they are given."""

    def __init__(self) -> None:
        self.given: list[object] = []

    def apply(self, state: ToyState, call: ToolCall, *, side: Side = "actor") -> Transition[ToyState]:
        self.given.append((state, call))
        return super().apply(state, call, side=side)

    def reward(self, state: ToyState, conversation: Conversation, stop: StopReason) -> Reward:
        self.given.append((state, conversation))
        return super().reward(state, conversation, stop)

    def user_stop(self, text: str) -> StopReason | None:
        self.given.append(text)
        return None

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        self.given.append((conversation, briefing, tuple(feedback)))
        return Draft(text="Go on.")


def _mark(draft: Draft) -> str:
    return draft.text or str(draft.tool_calls[0].arguments["button"])


SETTINGS_DRAWN = st.builds(
    Supervision,
    review=st.sampled_from(["none", "all", "tool_calls", "writes", "messages"]),
    max_revisions=st.integers(0, 3),
    on_exhausted=st.sampled_from(["last_draft", "first_draft"]),
    feedback_persists=st.booleans(),
)


@given(SETTINGS_DRAWN, st.lists(st.sampled_from(["approve", "revise", "mumble"]), min_size=1, max_size=5))
async def test_neither_the_user_nor_the_environment_ever_sees_a_draft_that_was_not_accepted(
    supervision: Supervision, moods: list[str]
) -> None:
    world, actor, critic = Watching(), Numbering(), Moody(moods)
    player = toy_player(ToyActor(), settings=replace(SETTINGS, supervision=supervision, turn_limit=4))
    player.environment = world
    player.cast = replace(player.cast, actor=actor, user=world, critic=critic)
    episode = (await player.trunk(Place(path="t0", user_path="t0"))).episode
    accepted = [step.action for step in episode.steps]
    given_ = repr(world.given)
    for draft in actor.drafts:
        assert (_mark(draft) in given_) == (draft in accepted)
    assert "why draft" not in given_
    assert critic.judged == [review.draft for step in episode.steps for review in step.reviews]
    assert all(review.score == 0.5 for step in episode.steps for review in step.reviews)
    assert all(len(step.reviews) <= supervision.max_revisions + 1 for step in episode.steps)


# -- scope ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("review", "say", "write", "unknown"),
    [
        ("none", False, False, False),
        ("all", True, True, True),
        ("tool_calls", False, True, True),
        ("messages", True, False, False),
        ("writes", False, True, False),
    ],
)
def test_the_scope_says_which_drafts_are_reviewed(review: ReviewScope, say: bool, write: bool, unknown: bool) -> None:
    stranger = Draft(text="", tool_calls=(ToolCall(call_id="1", name="dance", arguments={}),))
    seen = [in_scope(draft, BRIEFING, review=review) for draft in (Draft(text="Hi"), press("right"), stranger)]
    assert seen == [say, write, unknown]


def test_several_calls_count_as_the_most_consequential_of_them() -> None:
    calls = (*press("right").tool_calls, ToolCall(call_id="2", name="dance", arguments={}))
    assert step_kind(Draft(text="", tool_calls=calls), BRIEFING) == "write"
