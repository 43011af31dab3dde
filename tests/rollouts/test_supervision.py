"""Draft → verdict → revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from rollouts.episode import Approve, AssistantMessage, Draft, Finished, Revise, ToolCall, Usage, Verdict
from rollouts.play import Place
from rollouts.protocols import Judgement, Question
from rollouts.supervision import ReviewScope, Supervision, in_scope, step_kind
from tests.toy import SETTINGS, ToyActor, ToyEnvironment, press, toy_player, toy_task

BRIEFING = ToyEnvironment().briefing(toy_task())


@dataclass
class _Strict:
    """Approves the right button only; `said` is what it answers otherwise."""

    said: Verdict | None

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [
            Judgement(verdict=self._verdict(question.draft), usage=Usage(prompt_tokens=5)) for question in questions
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
