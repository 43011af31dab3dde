"""The drafts of a run that a critic has not scored yet, in batches: item after item as planned, each in prefix order.

A batch is a function of what the batches before it left, so one that was lost is made again as it was. Memory: the messages of the
items that one batch touches.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rollouts.errors import DataError
from rollouts.protocols import Question
from storage.drafts import ItemDrafts, RecordedDraft, read_drafts
from storage.item_rows import ItemRows
from storage.markers import Marker
from storage.runs import PlannedItem, RunRecord
from storage.scorings import Covered


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftSlice:
    """Neighbouring drafts of one item; none, if the item has none."""

    planned: PlannedItem
    covered: Covered
    drafts: ItemDrafts
    # the item's, all of them

    def __iter__(self) -> Iterator[RecordedDraft]:
        return iter(self.drafts[self.covered.first : self.covered.upto])

    def question(self, draft: RecordedDraft) -> Question:
        return self.drafts.question(draft)


def draft_batches(
    rows: ItemRows,
    markers: Mapping[str, Marker],
    *,
    record: RunRecord,
    scored: Mapping[str, Covered],
    batch_drafts: int,
) -> Iterator[list[DraftSlice]]:
    """`markers`: of the published items, by item id; `scored`: how far each is. Every batch but the last has `batch_drafts`.

    DataError for a part that is missing or damaged, or an item that is not what was scored before.
    """
    batch: list[DraftSlice] = []
    room = batch_drafts
    for planned in items_left(record, markers, scored):
        briefing = record.briefing(planned.domain)
        drafts = read_drafts(rows, markers[planned.item_id], briefing=briefing)
        for covered in _slices(planned, drafts, scored.get(planned.item_id), first_room=room, room=batch_drafts):
            batch.append(DraftSlice(planned=planned, covered=covered, drafts=drafts))
            room -= covered.upto - covered.first
            if not room:
                yield batch
                batch, room = [], batch_drafts
    if batch:
        yield batch


def items_left(
    record: RunRecord, published: Mapping[str, Marker], scored: Mapping[str, Covered]
) -> Sequence[PlannedItem]:
    """Published items that are not scored to their end, in the order of the plan."""
    return [
        item
        for item in record.items
        if item.item_id in published and not (item.item_id in scored and scored[item.item_id].is_all)
    ]


def _slices(
    planned: PlannedItem, drafts: ItemDrafts, before: Covered | None, *, first_room: int, room: int
) -> Iterator[Covered]:
    """What is left of an item: at most `first_room` drafts, then at most `room` at a time."""
    if before is not None and before.num_drafts != len(drafts):
        raise DataError(
            f"item {planned.item_id} had {before.num_drafts} drafts when it was scored, and has {len(drafts)}; run "
            "`treeroll verify`: its rows are not those that were published"
        )
    first, size = before.upto if before else 0, first_room
    while True:
        upto = min(first + size, len(drafts))
        yield Covered(item_id=planned.item_id, first=first, upto=upto, num_drafts=len(drafts))
        if upto == len(drafts):
            return
        first, size = upto, room
