"""The states of one simulated tree: numbers that are equal exactly where the states are.

Drafts in a state are draws of a Chinese restaurant process (Aldous, Exchangeability and Related Topics, 1985): exchangeable, and
two of them agree with the given chance, whoever drew them. Tools answer alike in equal states; the user does with its own chance.
"""

from __future__ import annotations

import random

from rollouts.episode import StepKind
from rollouts.forecasting.profiles import Chances


class States:
    """Which states there are, what was drawn in each, and what follows."""

    def __init__(self, chances: Chances, chance: random.Random) -> None:
        self._chances, self._chance = chances, chance
        self._drawn: dict[int, list[int]] = {}
        # the actions of all drafts, by state
        self._next: dict[tuple[int, int], int] = {}
        self._num = 0

    def opened(self) -> int:
        """The state after the user's first word."""
        return self._followed(-1, -1, self._chances.same_answer)

    def after(self, state: int, action: int, kind: StepKind) -> int:
        return self._followed(state, action, self._chances.same_answer if kind == "message" else 1.0)

    def draft(self, state: int, kind: StepKind) -> int:
        """Actions of a state are numbered in the order of their first draw."""
        drawn = self._drawn.setdefault(state, [])
        same = self._chances.same_draft.get(kind, 0.0)
        new = not drawn or self._chance.random() * (same * (len(drawn) - 1) + 1) < 1 - same
        # with concentration (1 - same) / same; multiplied out, so that a share of 0 needs no case of its own
        action = max(drawn, default=-1) + 1 if new else self._chance.choice(drawn)
        drawn.append(action)
        return action

    def _followed(self, state: int, action: int, same: float) -> int:
        place = (state, action)
        if place not in self._next or self._chance.random() >= same:
            self._next[place] = self._num
            self._num += 1
        return self._next[place]
