"""Whether the plays and the critic say the same of an action. Those that differ are told apart, never dropped.

Where they agree, two independent sources stand behind a label; where they disagree, one of them is wrong, and such actions are what
a critic has to learn, or what to look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from labeling.records import Consensus, LabelName
from rollouts.episode import Approve, Verdict
from rollouts.tree import Tree

Verdicts: TypeAlias = Mapping[tuple[str, int], Verdict]
# (fork path, action) → the critic's
NO_VERDICTS: Verdicts = MappingProxyType({})


def verdicts(tree: Tree) -> Verdicts:
    """Those that could be read."""
    return {
        (fork.path, action.index): action.review.verdict
        for fork in tree.forks.values()
        for action in fork.actions
        if action.review is not None and action.review.verdict is not None
    }


def consensus(label: LabelName, verdict: Verdict | None) -> Consensus:
    if label == "abstain" or verdict is None:
        return "none"
    return "agree" if (label == "approve") == isinstance(verdict, Approve) else "disagree"
