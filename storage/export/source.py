"""One published item as an exporter needs it: its values, its labels, and the conversation before each fork.

Only what leads to a fork is read into Python: the branches that were played out, most of an item's rows, stay in Arrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from labeling.records import ActionValue, CritiqueValue, Label
from rollouts.episode import Approve, Briefing, Revise, Verdict
from rollouts.protocols import Question
from storage.conversations import ItemConversations, lineage
from storage.item_rows import ItemRows
from storage.markers import Marker
from storage.messages import draft_from_json
from storage.runs import DomainBriefing, PlannedItem

_VALUE_FIELDS = tuple(field.name for field in fields(ActionValue))
_LABEL_FIELDS = tuple(field.name for field in fields(Label))
_CRITIQUE_FIELDS = tuple(field.name for field in fields(CritiqueValue))


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceItem:
    run_id: str
    planned: PlannedItem
    briefing: Briefing
    # without the simulated user's instructions: a critic never sees them
    conversations: ItemConversations
    forks: Mapping[str, tuple[ActionValue, ...]]
    # fork path → the values of its actions, in order
    labels: tuple[Label, ...]
    critiques: tuple[CritiqueValue, ...]
    # empty where the critic was not asked about what was tried
    critic: str
    # its identity

    def question(self, value: ActionValue | CritiqueValue) -> Question:
        """What a critic would be asked about the action."""
        conversation = self.conversations.before(value.episode_path, value.step)
        return Question(conversation=conversation, briefing=self.briefing, draft=value.action, seed=0)


def read_item(rows: ItemRows, marker: Marker, *, planned: PlannedItem, briefing: DomainBriefing) -> SourceItem:
    """DataError for a part that is missing or is not what the marker published."""
    values = [_value(row) for row in rows.read(marker, "values").to_pylist()]
    critiques = rows.read(marker, "critiques").to_pylist()
    forked = sorted({value.episode_path for value in values})
    return SourceItem(
        run_id=marker.run_id,
        planned=planned,
        briefing=Briefing(policy=briefing.policy, tools=briefing.tools, user_instructions=""),
        conversations=_conversations(rows, marker, forked),
        forks={path: tuple(found) for path, found in groupby(values, key=lambda value: value.fork_path)},
        labels=tuple(_label(row) for row in rows.read(marker, "labels").to_pylist()),
        critiques=tuple(map(_critique, critiques)),
        critic=critiques[0]["critic"] if critiques else "none",
    )


def _conversations(rows: ItemRows, marker: Marker, forked: Sequence[str]) -> ItemConversations:
    needed = {path for episode in forked for path, _ in lineage(episode)}
    return ItemConversations(
        episodes=_selected(rows, marker, "episodes", columns=["episode_path", "opening"], episodes=needed),
        steps=_selected(rows, marker, "steps", columns=["episode_path", "step", "added"], episodes=needed),
    )


def _selected(
    rows: ItemRows, marker: Marker, table: str, *, columns: list[str], episodes: Iterable[str]
) -> list[dict[str, Any]]:
    wanted = pa.array(sorted(episodes), type=pa.string())
    found = rows.read(marker, table, columns=columns)
    selected: list[dict[str, Any]] = found.filter(pc.is_in(found["episode_path"], value_set=wanted)).to_pylist()
    return selected


def _value(row: Mapping[str, Any]) -> ActionValue:
    known = {name: row[name] for name in _VALUE_FIELDS}
    return ActionValue(**{**known, "action": draft_from_json(row["action"])})


def _label(row: Mapping[str, Any]) -> Label:
    return Label(**{name: row[name] for name in _LABEL_FIELDS})


def _critique(row: Mapping[str, Any]) -> CritiqueValue:
    known = {name: row[name] for name in _CRITIQUE_FIELDS}
    return CritiqueValue(**{**known, "action": draft_from_json(row["action"]), "verdict": _verdict(row)})


def _verdict(row: Mapping[str, Any]) -> Verdict | None:
    match row["verdict"]:
        case None:
            return None
        case "approve":
            return Approve()
        case _:
            return Revise(feedback=row["feedback"])
