"""Feedback that stays in the actor's context: over turns, into branches, into the state's identity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from rollouts.episode import Approve, Briefing, Conversation, Draft, Revise, Usage
from rollouts.play import Place, Player
from rollouts.protocols import Judgement, Question
from rollouts.supervision import Supervision, reminders
from rollouts.tree import branch_path
from tests.toy import SETTINGS, ToyActor, ToyState, press, toy_player

TRUNK = Place(path="t0", user_path="t0")


@dataclass
class Reminded:
    """Presses the wrong button first, then the right one; keeps what it is told."""

    heard: list[tuple[str, ...]] = field(default_factory=list)

    async def act(
        self, conversation: Conversation, briefing: Briefing, *, seed: int, feedback: Sequence[str] = ()
    ) -> Draft:
        self.heard.append(tuple(feedback))
        return press("right" if any(not text.startswith("Of a draft") for text in feedback) else "wrong")


@dataclass
class Counting:
    """Objects to every wrong draft, and counts its objections."""

    objections: int = 0

    async def judge(self, questions: Sequence[Question]) -> Sequence[Judgement]:
        return [Judgement(verdict=self._verdict(question.draft), usage=Usage()) for question in questions]

    def _verdict(self, draft: Draft) -> Approve | Revise:
        if draft.tool_calls == press("right").tool_calls:
            return Approve()
        self.objections += 1
        return Revise(feedback=f"objection {self.objections}")


def _player(actor: Reminded, *, persists: bool) -> Player[ToyState]:
    supervision = Supervision(review="all", feedback_persists=persists)
    player = toy_player(ToyActor(), settings=replace(SETTINGS, supervision=supervision, turn_limit=3))
    player.cast = replace(player.cast, actor=actor, critic=Counting())
    return player


@pytest.mark.parametrize("persists", [True, False])
async def test_each_turn_is_reminded_of_the_objections_before_it_if_they_are_to_last(persists: bool) -> None:
    actor = Reminded()
    await _player(actor, persists=persists).trunk(TRUNK)
    said = ["objection 1", "objection 2", "objection 3"]
    lasting = [reminders(said[:turn]) if persists else () for turn in range(3)]
    assert actor.heard == [told for turn in range(3) for told in (lasting[turn], (*lasting[turn], said[turn]))]


async def test_a_branch_remembers_what_was_said_before_the_fork_and_not_after_it() -> None:
    actor = Reminded()
    player = _player(actor, persists=True)
    start = (await player.trunk(TRUNK)).states[1]
    actor.heard.clear()
    place = Place(path=branch_path("t0.s1", 1, 0), user_path="t0.s1.r0")
    await player.branch(place, start, press("broken"))
    assert actor.heard == [reminders(["objection 1"]), (*reminders(["objection 1"]), "objection 4")]


async def test_what_the_actor_is_reminded_of_is_part_of_the_state() -> None:
    lasting, ending = (_player(Reminded(), persists=persists) for persists in (True, False))
    keys = [[step.state_key for step in (await player.trunk(TRUNK)).episode.steps] for player in (lasting, ending)]
    assert [one == other for one, other in zip(*keys, strict=True)] == [True, False, False]
