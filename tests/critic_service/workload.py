"""What the critic's benchmark asks: forked trees, six drafts in each of several states, each state a few calls further on."""

from __future__ import annotations

from dataclasses import dataclass

from rollouts.protocols import Question
from tests.critic_service.questions import question

STATES, DRAFTS = 4, 6
# of a tree, and of a state


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    domain: str
    # its name is part of every prompt: another domain shares no prefix with this one
    num_trees: int
    output_chars: int
    # of each tool output; a state adds two
    drafts: int = DRAFTS

    @property
    def num_questions(self) -> int:
        return self.num_trees * STATES * self.drafts

    def trees(self) -> list[list[list[Question]]]:
        """Questions by tree and state."""
        return [
            [
                [
                    question(tree, steps=2 * state, draft=draft, domain=self.domain, output_chars=self.output_chars)
                    for draft in range(self.drafts)
                ]
                for state in range(1, STATES + 1)
            ]
            for tree in range(self.num_trees)
        ]
