"""Everything that a finished tree claims of its actions, in one go."""

from __future__ import annotations

from labeling.consensus import verdicts
from labeling.labels import LabelRule, label_actions
from labeling.records import Conclusions
from labeling.state_values import with_state_values
from labeling.uplift import critique_values
from labeling.values import action_values
from rollouts.tree import Tree


def conclude(tree: Tree, *, level: float, rule: LabelRule, uplift_level: float) -> Conclusions:
    """`level`: nominal coverage of the values' intervals; `uplift_level`: of those that decide what a critique was worth."""
    values = with_state_values(tree, action_values(tree, level=level))
    return Conclusions(
        values=values,
        labels=label_actions(values, rule, verdicts(tree)),
        critiques=critique_values(tree, values, level=uplift_level),
    )
