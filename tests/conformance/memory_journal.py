"""A journal for tests of what uses one: as lasting as the `answers` it is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollouts.protocols import Answer


@dataclass(slots=True)
class MemoryJournal:
    answers: dict[str, dict[str, Answer]] = field(default_factory=dict)
    # item → place → answer; journals of several workers may share it

    failed: None = None
    # memory is never full

    def recall(self, item_id: str) -> Mapping[str, Answer]:
        return dict(self.answers.get(item_id, {}))

    def append(self, item_id: str, place: str, answer: Answer) -> None:
        self.answers.setdefault(item_id, {}).setdefault(place, answer)

    def settled(self, item_id: str) -> None:
        self.answers.pop(item_id, None)

    async def flush(self) -> None:
        pass

    async def close(self) -> None:
        pass
