"""The drafts of a published item, each as a critic would be asked about it: the question of serving and of exports.

A draft is an action in a state; the tree's steps that are equal drafts in equal states are one. They come in prefix order: state
after state as the tree grows from its root, and within a state all drafts that were tried there. So what is asked next shares the
longest prefix with what was asked before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from rollouts.episode import Briefing
from rollouts.protocols import Question
from rollouts.seeds import derive_seed
from rollouts.tree import branch_place, path_order
from storage.conversations import ItemConversations
from storage.item_rows import ItemRows
from storage.markers import Marker
from storage.messages import draft_from_json
from storage.reader import item_conversations
from storage.runs import DomainBriefing
from storage.schema import STAMP_COLUMNS

_NAMING = ("episode_path", "step_path", "step", "state_key", "action_key", "kind")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDraft:
    origin: Mapping[str, Any]
    # the columns that all rows of the item share
    naming: Mapping[str, Any]
    # the columns that name the draft, by the first step that is it
    num_steps: int
    # how many are
    action: str
    # JSON


class ItemDrafts(Sequence[RecordedDraft]):
    """Of one item, in prefix order. Holds the item's conversations, and makes a question when it is asked for."""

    def __init__(self, drafts: list[RecordedDraft], conversations: ItemConversations, briefing: Briefing) -> None:
        self._drafts = drafts
        self._conversations = conversations
        self._briefing = briefing

    def __len__(self) -> int:
        return len(self._drafts)

    @overload
    def __getitem__(self, index: int) -> RecordedDraft: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordedDraft]: ...
    def __getitem__(self, index: int | slice) -> RecordedDraft | list[RecordedDraft]:
        return self._drafts[index]

    def question(self, draft: RecordedDraft) -> Question:
        """Its seed derives from the draft's place, so it is the same whoever asks and whenever."""
        origin, naming = draft.origin, draft.naming
        return Question(
            conversation=self._conversations.before(naming["episode_path"], naming["step"]),
            briefing=self._briefing,
            draft=draft_from_json(draft.action),
            seed=derive_seed(origin["seed"], origin["task_id"], naming["step_path"], "score"),
        )


def read_drafts(rows: ItemRows, marker: Marker, *, briefing: DomainBriefing) -> ItemDrafts:
    """DataError for a part that is missing or damaged. Memory: that of the one item's messages."""
    steps = rows.read(marker, "steps", columns=[*STAMP_COLUMNS, *_NAMING, "action"])
    origin = steps.select(STAMP_COLUMNS).slice(0, 1).to_pylist()
    found: dict[tuple[bytes, bytes], list[Mapping[str, Any]]] = {}
    for row in sorted(steps.select([*_NAMING, "action"]).to_pylist(), key=_order):
        found.setdefault((row["state_key"], row["action_key"]), []).append(row)
    drafts = [
        RecordedDraft(
            origin=origin[0],
            naming={name: same[0][name] for name in _NAMING},
            num_steps=len(same),
            action=same[0]["action"],
        )
        for same in found.values()
    ]
    told = Briefing(policy=briefing.policy, tools=briefing.tools, user_instructions="")
    # a critic never sees the simulated user's
    return ItemDrafts(drafts, item_conversations(rows, marker), told)


def _order(row: Mapping[str, Any]) -> tuple[object, ...]:
    return path_order(_state_path(row)), path_order(row["step_path"])


def _state_path(row: Mapping[str, Any]) -> str:
    """The place of the state acted from: a branch's first step acts from its fork."""
    place = branch_place(row["episode_path"])
    return place.fork_path if place and place.step == row["step"] else str(row["step_path"])
